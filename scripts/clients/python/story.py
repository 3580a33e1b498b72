"""The life of a role as the public Python client tells it, through its own methods; where it has none for an endpoint,
through the general one that the others are made of.
"""

from rocketchat_API.APIExceptions.RocketExceptions import RocketAuthenticationException

import people
import rooms
import workspace
from steps import ADMINISTRATOR, NOT_LOGGED_IN, client, refused, same, step

IN_USE = "Cannot delete role because it's in use [error-role-in-use]"


def administrator():
    """The administrator, logged in."""
    with step("refuse a log-in with a wrong password"):
        try:
            client(ADMINISTRATOR[0], "wrong")
        except RocketAuthenticationException:
            pass
        else:
            raise AssertionError("let in")
    admin = client()
    with step("log in"):
        same(admin.login(*ADMINISTRATOR)["status"], "success")
    with step("who am I"):
        me = admin.me()
        same((me["username"], "admin" in me["roles"]), (ADMINISTRATOR[0], True))
    return admin


def roles(admin, bob):
    """Create, assign, list holders, refuse the delete, unassign, delete."""
    with step("list the roles"):
        same({role["_id"]: role["protected"] for role in admin.roles_list()["roles"]}["admin"], True)
    role = None
    with step("create a role"):
        made = admin.roles_create("py-deputy", description="Stands in")["role"]
        same((made["name"], made["scope"], made["protected"]), ("py-deputy", "Users", False))
        role = made["_id"]
    with step("refuse a second role of that name"):
        text = "Role name already exists [error-duplicate-role-names-not-allowed]"
        refused(400, text, admin.roles_create, "py-deputy")
    with step("update the role"):
        changed = admin.call_api_post("roles.update", roleId=role, name="py-deputy", description="Stands in today")
        same(changed["role"]["description"], "Stands in today")
    with step("assign it"):
        same(admin.roles_add_user_to_role(role, "py-bob")["role"]["_id"], role)
    with step("refuse to assign it twice"):
        refused(400, "User already in role [error-user-already-in-role]", admin.roles_add_user_to_role, role, "py-bob")
    with step("see it on the account"):
        same(role in admin.users_info(username="py-bob")["user"]["roles"], True)
    with step("list who holds it"):
        same([(user["_id"], user["username"]) for user in admin.roles_get_users_in_role(role)], [(bob, "py-bob")])
    with step("list who holds public roles"):
        same("py-bob" in [user["username"] for user in admin.roles_get_users_in_public_roles()["users"]], True)
    with step("refuse to delete it while somebody holds it"):
        refusal = refused(400, IN_USE, admin.roles_delete, role)
        same((refusal.error_type, refusal.response_json["details"]["names"]), ("error-role-in-use", ["py-bob"]))
    with step("take it away"):
        same(admin.roles_remove_user_from_role(role, "py-bob")["success"], True)
        same(list(admin.roles_get_users_in_role(role)), [])
    with step("delete it"):
        same(admin.roles_delete(role), {"success": True})
    with step("it is gone"):
        text = "This role does not exist [error-invalid-roleId]"
        same(refused(400, text, admin.roles_delete, role).error_type, "error-invalid-roleId")
    with step("tell of the deletion to who synchronizes"):
        same(role in [gone["_id"] for gone in admin.roles_sync("2020-01-01T00:00:00.000Z")["roles"]["remove"]], True)
    with step("refuse to delete a protected role"):
        refused(400, "Cannot delete a protected role [error-role-protected]", admin.roles_delete, "admin")


def permissions(admin):
    """List, change, grant, revoke."""
    before, role = None, None
    with step("list the permissions"):
        before = roles_of(admin.permissions_list_all()["update"], "create-c")
        same("admin" in before, True)
    with step("change a permission"):
        role = admin.roles_create("py-founder")["role"]["_id"]
        answer = admin.permissions_update([{"_id": "create-c", "roles": [*before, role]}])
        same(roles_of(answer["permissions"], "create-c"), [*before, role])
    with step("refuse a permission that is not there"):
        unknown = [{"_id": "py-nonsense", "roles": ["admin"]}]
        refusal = refused(400, "Invalid permission", admin.permissions_update, unknown)
        same(refusal.error_type, "error-invalid-permission")
    with step("grant a permission to a role, and revoke it"):
        admin.call_api_post("permissions.addRole", permissionId="create-p", role=role)
        same(role in roles_of(admin.permissions_list_all()["update"], "create-p"), True)
        admin.call_api_post("permissions.removeRole", permissionId="create-p", role=role)
        same(role in roles_of(admin.permissions_list_all()["update"], "create-p"), False)
    with step("a deleted role leaves its permissions"):
        admin.roles_delete(role)
        same(roles_of(admin.permissions_list_all()["update"], "create-c"), before)


def roles_of(permissions_found, wanted):
    """The roles of one of them."""
    return next(permission["roles"] for permission in permissions_found if permission["_id"] == wanted)


def room_role(admin, room):
    """A role of our own that is given within one room."""
    role = None
    with step("create a role for rooms"):
        role = admin.roles_create("py-scribe", scope="Subscriptions", description="Writes")["role"]["_id"]
    with step("assign it in a room"):
        same(admin.roles_add_user_to_role(role, "py-bob", roomId=room)["success"], True)
        same([user["username"] for user in admin.roles_get_users_in_role(role, roomId=room)], ["py-bob"])
    with step("refuse to delete it while it is held in a room"):
        same(refused(400, IN_USE, admin.roles_delete, role).error_type, "error-role-in-use")
    with step("take it away in the room, and delete it"):
        same(admin.roles_remove_user_from_role(role, "py-bob", scope=room)["success"], True)
        same(admin.roles_delete(role), {"success": True})


def main():
    """The whole story."""
    admin = administrator()
    workspace.tell(admin)
    bob = people.account(admin, "py-bob")
    roles(admin, bob)
    permissions(admin)
    people.registration(admin)
    people.changes(admin)
    room = rooms.channel(admin, bob)
    rooms.group(admin, bob)
    room_role(admin, room)
    rooms.comings_and_goings(admin, bob)
    with step("log out, and be a stranger afterwards"):
        same(admin.logout()["status"], "success")
        refused(401, NOT_LOGGED_IN, admin.roles_list)


if __name__ == "__main__":
    main()
