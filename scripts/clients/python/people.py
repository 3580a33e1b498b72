"""Accounts as the public Python client sees them: made, registered, listed, changed, deactivated, deleted."""

from steps import ADMINISTRATOR, NOT_LOGGED_IN, client, refused, same, step

NO_PERMISSION = "User does not have the permissions required for this action [error-unauthorized]"


def account(admin, name):
    """An account made by the administrator; returns its id."""
    with step(f"create the account {name}"):
        made = admin.users_create(f"{name}@example.org", f"{name} of Python", "a password", name)["user"]
        same((made["username"], made["roles"], made["active"]), (name, ["user"], True))
        return made["_id"]
    return None


def registration(admin):
    """Somebody registers, may not administer, is deactivated."""
    with step("register"):
        made = client().users_register("py-eve@example.org", "Eve", "a password", "py-eve")["user"]
        same((made["username"], made["roles"]), ("py-eve", ["user"]))
    with step("refuse a name that is taken"):
        text = "Username is already in use"
        refused(400, text, client().users_register, "py-eve2@example.org", "Eve", "a password", "py-eve")
    with step("log in as who registered, by e-mail"):
        eve = client("py-eve@example.org", "a password")
        same(eve.me()["username"], "py-eve")
    with step("refuse to delete roles without the permission"):
        refused(403, NO_PERMISSION, eve.roles_delete, "user")
    with step("deactivate, and refuse the token at once"):
        user = admin.users_info(username="py-eve")["user"]["_id"]
        same(admin.users_set_active_status(user, False)["user"]["active"], False)
        refused(401, NOT_LOGGED_IN, eve.me)


def changes(admin):
    """List accounts, change one, delete it."""
    user = account(admin, "py-dave")
    with step("list the accounts, page by page"):
        found = [listed["username"] for listed in admin.users_list(count=2)]
        same((found == sorted(found), {ADMINISTRATOR[0], "py-bob", "py-dave"} <= set(found)), (True, True))
    with step("change a name and the roles"):
        changed = admin.users_update(user, name="Dave the Bot", roles=["user", "bot"])["user"]
        same((changed["name"], sorted(changed["roles"])), ("Dave the Bot", ["bot", "user"]))
        same(changed["username"], "py-dave")
    with step("delete an account"):
        same(admin.users_delete(user)["success"], True)
        refused(400, "User not found.", admin.users_info, username="py-dave")
