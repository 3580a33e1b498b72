"""The workspace as the public Python client sees it: its version, its settings, its licence."""

from steps import client, same, step


def tell(admin):
    """What clients ask before they show a page."""
    with step("tell the version"):
        same(client().info()["version"].split(".")[0].isdigit(), True)
    with step("tell the public settings to everybody"):
        found = {setting["_id"] for setting in client().settings_public()}
        same("Accounts_RegistrationForm" in found, True)
    with step("read a setting and change it"):
        before = admin.settings_get("Accounts_RequireNameForSignUp")["value"]
        same(admin.settings_update("Accounts_RequireNameForSignUp", not before), {"success": True})
        same(admin.settings_get("Accounts_RequireNameForSignUp")["value"], not before)
        same(admin.settings_update("Accounts_RequireNameForSignUp", before), {"success": True})
    with step("custom roles are licensed"):
        same("custom-roles" in admin.licenses_info()["license"]["activeModules"], True)
