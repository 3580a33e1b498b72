"""What the Python client makes of a limited rate: the eleventh request to one route within a window is refused with
429, and whoever may bypass the limit is not.
"""

from steps import ADMINISTRATOR, client, same, step
from rocketchat_API.APIExceptions.RocketExceptions import RocketApiException

ALLOWED = 10


def main():
    """One who is limited, one who is not."""
    admin = client(*ADMINISTRATOR)
    admin.users_create("py-carol@example.org", "Carol", "a password", "py-carol")
    carol = client("py-carol", "a password")
    with step("answer as many requests as are allowed"):
        for _ in range(ALLOWED):
            same(carol.roles_list()["success"], True)
    with step("refuse the next one with 429, which the client raises"):
        try:
            carol.roles_list()
        except RocketApiException as refusal:
            same((refusal.status_code, "[error-too-many-requests]" in refusal.error), (429, True))
        else:
            raise AssertionError("not limited")
    with step("not limit who may bypass it"):
        for _ in range(ALLOWED + 1):
            same(admin.roles_list()["success"], True)


if __name__ == "__main__":
    main()
