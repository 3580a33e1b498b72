"""In whose name Schemathesis asks, and about what: loaded by it as its hooks.

Generated texts alone find nothing: nobody guesses the id of a room. So some of the texts in fields that name something
are replaced, in the moment of sending, by names of what is there: an account, rooms, roles, an organization, all made for
being attacked. The attacker may end his own session, lose his roles or delete himself; then the keeper, the first
administrator, gives him another session or makes another attacker. So no operation has to be left out. The keeper himself
is the one thing that is spared: where his name or id would be sent, that of the victim is, and where a permission that he
needs would be taken or given, another one is.
"""

import atexit
import json
import os
import random

import requests
import schemathesis
from urllib3.util import SKIP_HEADER

URL = os.environ["ROLEKEEPER_URL"]
KEEPER = os.environ["ROLEKEEPER_USERNAME"]
KEEPER_PASSWORD = os.environ["ROLEKEEPER_PASSWORD"]
SECRET = os.environ["ATTACK_SECRET"]
CALLER = os.environ["ATTACK_AS"]
PASS = os.environ["ATTACK_PASS"]
STATE = os.environ["ATTACK_STATE"]
PASSWORD = "Correct-Horse-7"
# How often a text is replaced where it names something.
IN_A_PATH = 0.8
ELSEWHERE = 0.5
# After so many requests a new world: of the old one not much may be left.
LIFETIME = 400
ANSWER_SECONDS = 30
# What the keeper needs to go on, and what is attacked instead.
KEPT_PERMISSIONS = [
    "access-permissions",
    "add-user-to-any-c-room",
    "add-user-to-any-p-room",
    "create-c",
    "create-p",
    "create-user",
    "user-generate-access-token",
    "assign-admin-role",
    "assign-roles",
    "view-user-administration",
]
OTHER_PERMISSION = "view-logs"

SESSION = requests.Session()
SESSION.trust_env = False
RANDOM = random.Random(int(os.environ["ATTACK_SEED"]))
COUNTS = {"sent": 0, "own": 0, "dropped": 0, "trouble": []}


class Trouble(Exception):
    """The keeper could not do what has to go."""


def ask(method, path, headers, body=None):
    """A request of the run itself; the answer's status and object."""
    COUNTS["own"] += 1
    answer = SESSION.request(method, URL + path, headers=headers, json=body, timeout=ANSWER_SECONDS)
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, {}


class World:
    """What is there to be attacked, and who attacks."""

    def __init__(self):
        self.number = 0
        self.age = LIFETIME
        self.is_stale = True
        self.keeper = None
        self.keeper_id = None
        self.attacker = {}
        self.attacker_id = None
        self.names = {}

    def renew(self):
        """Makes whatever is missing or old."""
        self.age += 1
        if self.keeper is None:
            self.keeper = self.log_in()
        try:
            if self.age >= LIFETIME:
                self.age = 0
                self.make()
            elif self.is_stale:
                self.arm()
        except Trouble as trouble:
            # The attacker has succeeded in something that he may do; it goes on in what is left of the old world.
            COUNTS["trouble"].append(str(trouble))
        self.is_stale = False

    def log_in(self):
        """The keeper's session."""
        status, answer = ask("POST", "/api/v1/login", {}, {"user": KEEPER, "password": KEEPER_PASSWORD})
        if status != 200:
            raise Trouble(f"the keeper cannot log in: {status} {answer}")
        self.keeper_id = answer["data"]["userId"]
        return session(answer["data"])

    def call(self, path, body):
        """A change by the keeper that must succeed."""
        status, answer = ask("POST", f"/api/v1/{path}", self.keeper, body)
        if status == 401:
            self.keeper = self.log_in()
            status, answer = ask("POST", f"/api/v1/{path}", self.keeper, body)
        if status != 200:
            raise Trouble(f"the keeper's {path}: {status} {answer}")
        return answer

    def account(self, word, roles):
        """A new account; its id and name."""
        name = f"{word}-{PASS}-{self.number}"
        body = {"username": name, "name": name, "email": f"{name}@example.org", "password": PASSWORD, "roles": roles}
        return self.call("users.create", {**body, "verified": True})["user"]["_id"], name

    def arm(self):
        """A new session of the attacker; a new attacker, if this one is no more."""
        if CALLER == "nobody":
            return
        body = {"userId": self.attacker_id, "secret": SECRET}
        status, answer = ask("POST", "/api/v1/users.createToken", self.keeper, body)
        if status == 200 and ask("GET", "/api/v1/me", session(answer["data"]))[0] == 200:
            self.attacker = {**session(answer["data"]), "Authorization": f"Bearer {answer['data']['authToken']}"}
            return
        self.age = 0
        self.make()

    def make(self):
        """A new world."""
        self.number += 1
        roles = ["admin", "user"] if CALLER == "administrator" else ["user"]
        self.attacker_id, attacker = self.account("mallory", roles)
        victim_id, victim = self.account("bob", ["user"])
        login = self.call("users.createToken", {"userId": self.attacker_id, "secret": SECRET})["data"]
        self.attacker = {**session(login), "Authorization": f"Bearer {login['authToken']}"}
        rooms = self.rooms([attacker, victim])
        role = self.call("roles.create", {"name": f"deputy-{PASS}-{self.number}"})["role"]
        self.names = naming(
            users=[victim_id, self.attacker_id],
            usernames=[victim, attacker],
            rooms=[room["_id"] for room in rooms],
            room_names=[room["name"] for room in rooms],
            roles=[role["_id"], "user", "moderator", "leader", "owner", "admin"],
            **self.organization(victim_id),
        )
        if CALLER == "nobody":
            self.attacker = {}

    def rooms(self, members):
        """Two channels and a private group with these members."""
        made = []
        for number, (kind, word) in enumerate([("channels", "channel"), ("channels", "channel"), ("groups", "group")]):
            body = {"name": f"room-{PASS}-{self.number}-{number}", "members": members}
            made.append(self.call(f"{kind}.create", body)[word])
        return made

    def organization(self, victim):
        """An organization of the attacker's with another member and a role."""
        bearer = {"Authorization": self.attacker["Authorization"]}
        status, made = ask("POST", "/v1/organizations", bearer, {"name": f"Acme {PASS}-{self.number}"})
        if status != 201:
            # He may not, as it is at present; then he is told so.
            return {"organizations": ["org_none"], "their_roles": ["role_owner"], "members": [f"usr_{victim}"]}
        place = f"/v1/organizations/{made['id']}"
        ask("POST", f"{place}/users/add", bearer, {"user_id": f"usr_{victim}"})
        role = {"name": "Recruiter", "capabilities": ["invite_users"]}
        _, role = ask("POST", f"{place}/roles", bearer, role)
        ask("POST", f"{place}/roles/{role.get('id')}/members", bearer, {"user_id": f"usr_{victim}"})
        return {
            "organizations": [made["id"]],
            "their_roles": [role.get("id", "role_owner"), "role_owner", "role_member", "role_admin"],
            "members": [f"usr_{victim}", f"usr_{self.attacker_id}"],
        }

    def spared(self, text):
        """The text, unless it is about the keeper."""
        if isinstance(text, str) and text in (KEEPER, self.keeper_id) and self.names:
            return self.names["username" if text == KEEPER else "userId"][0]
        return OTHER_PERMISSION if text in KEPT_PERMISSIONS else text

    def placed(self, value, name=None, chance=ELSEWHERE):
        """The value with some of its names replaced; the same value if none is."""
        if isinstance(value, dict):
            return {key: self.placed(inner, key, chance) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.placed(inner, name, chance) for inner in value]
        if isinstance(value, str):
            known = self.names.get(name)
            if known and RANDOM.random() < chance:
                return RANDOM.choice(known)
        return self.spared(value)


def session(data):
    """The headers of a session."""
    return {"X-User-Id": data["userId"], "X-Auth-Token": data["authToken"]}


def naming(users, usernames, rooms, room_names, roles, organizations, their_roles, members):
    """What the fields of the API may name, by the names of the fields."""
    fields = {"organization_id": organizations, "role_id": their_roles, "user_id": members}
    fields |= dict.fromkeys(["userId", "userIds"], users) | dict.fromkeys(
        ["username", "usernames", "members"], usernames
    )
    fields |= dict.fromkeys(["roomId", "rid", "scope"], rooms) | {"roomName": room_names}
    fields |= dict.fromkeys(["roleId", "role", "roles", "roleName"], roles)
    return fields | {"permissionId": ["view-logs", "edit-room"], "resume": ["none"], "user": usernames}


WORLD = World()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Puts names and credentials in."""
    WORLD.renew()
    if isinstance(case.path_parameters, dict):
        case.path_parameters = WORLD.placed(case.path_parameters, chance=IN_A_PATH)
    for part in ("query", "body"):
        value = getattr(case, part)
        if isinstance(value, (dict, list)):
            setattr(case, part, WORLD.placed(value))
    # A value of its own that the library cannot send: with it, it leaves a header out.
    for name in [name for name, value in (case.headers or {}).items() if value == SKIP_HEADER]:
        del case.headers[name]
    if WORLD.attacker:
        case.headers = {**(case.headers or {}), **WORLD.attacker}
    COUNTS["sent"] += 1


@schemathesis.hook
def after_call(context, case, response):
    """Whoever is not known any more gets a new session before the next request."""
    if response.status_code == 401 and WORLD.attacker:
        WORLD.is_stale = True


@schemathesis.hook
def after_network_error(context, case, request):
    """A request without an answer."""
    COUNTS["dropped"] += 1


@atexit.register
def write_counts():
    """For the run, which adds them up."""
    with open(STATE, "w", encoding="utf-8") as file:
        json.dump(COUNTS, file)
