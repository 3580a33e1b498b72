"""Rooms as the public Python client sees them: who is owner, moderator and leader of them, who comes and who goes."""

from steps import ADMINISTRATOR, refused, same, step


def channel(admin, bob):
    """Owner, moderator and leader of a channel."""
    room = None
    with step("create a channel"):
        made = admin.channels_create("py-plaza", members=["py-bob"])["channel"]
        same((made["name"], made["t"], made["usersCount"]), ("py-plaza", "c", 2))
        room = made["_id"]
    with step("make somebody owner of it"):
        same(admin.channels_add_owner(room, user_id=bob), {"success": True})
    with step("refuse to do it twice"):
        text = "User is already an owner [error-user-already-owner]"
        refused(400, text, admin.channels_add_owner, room, username="py-bob")
    with step("make somebody moderator of it"):
        same(admin.channels_add_moderator(room, bob), {"success": True})
        same([user["username"] for user in admin.channels_moderators(room)["moderators"]], ["py-bob"])
    with step("make somebody leader of it"):
        same(admin.channels_add_leader(room, bob), {"success": True})
    with step("list the roles in it"):
        found = {entry["u"]["username"]: sorted(entry["roles"]) for entry in admin.channels_roles(room)["roles"]}
        same(found, {ADMINISTRATOR[0]: ["owner"], "py-bob": ["leader", "moderator", "owner"]})
    with step("take them away"):
        same(admin.channels_remove_leader(room, bob), {"success": True})
        same(admin.channels_remove_moderator(room, bob), {"success": True})
        same(admin.channels_remove_owner(room, bob), {"success": True})
        same([entry["u"]["username"] for entry in admin.channels_roles(room)["roles"]], [ADMINISTRATOR[0]])
    with step("refuse to remove the last owner"):
        text = "This is the last owner. Please set a new owner before removing this one. [error-remove-last-owner]"
        refused(400, text, admin.channels_remove_owner, room, admin.headers["X-User-Id"])
    return room


def group(admin, bob):
    """The same in a private group."""
    room = None
    with step("create a group"):
        made = admin.groups_create("py-cabinet", members=["py-bob"])["group"]
        same((made["name"], made["t"]), ("py-cabinet", "p"))
        room = made["_id"]
    with step("make somebody owner and moderator of it"):
        same(admin.groups_add_owner(room, bob), {"success": True})
        same(admin.groups_add_moderator(room, bob), {"success": True})
        same(admin.groups_add_leader(room, bob), {"success": True})
    with step("list the roles in the group"):
        found = {entry["u"]["username"]: sorted(entry["roles"]) for entry in admin.groups_roles(room)["roles"]}
        same(found, {ADMINISTRATOR[0]: ["owner"], "py-bob": ["leader", "moderator", "owner"]})
        same([user["username"] for user in admin.groups_moderators(room)["moderators"]], ["py-bob"])
    with step("take them away in the group"):
        same(admin.groups_remove_leader(room, bob), {"success": True})
        same(admin.groups_remove_moderator(room, bob), {"success": True})
        same(admin.groups_remove_owner(room, bob), {"success": True})


def comings_and_goings(admin, bob):
    """Information, members, inviting, kicking, deleting."""
    room = None
    with step("tell about a channel"):
        room = admin.channels_create("py-harbour")["channel"]["_id"]
        same(admin.channels_info(room_id=room)["channel"]["name"], "py-harbour")
        same(admin.rooms_info(room_id=room)["room"]["_id"], room)
    with step("list the channels"):
        same("py-harbour" in [found["name"] for found in admin.channels_list()], True)
    with step("invite somebody"):
        same(admin.channels_invite(room, bob)["channel"]["_id"], room)
        members = sorted(member["username"] for member in admin.channels_members(room_id=room))
        same(members, sorted([ADMINISTRATOR[0], "py-bob"]))
    with step("kick somebody: the role in the room goes, too"):
        admin.channels_add_moderator(room, bob)
        same(admin.channels_kick(room, bob)["channel"]["_id"], room)
        same([entry["u"]["username"] for entry in admin.channels_roles(room)["roles"]], [ADMINISTRATOR[0]])
    with step("delete a channel"):
        same(admin.channels_delete(room_id=room), {"success": True})
        same("py-harbour" in [found["name"] for found in admin.channels_list()], False)
