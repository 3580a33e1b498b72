//! What every workspace has from the start: inserts what is absent and changes nothing that is there.

use super::query::{Query as _, Tx};
use super::{permissions, roles, rooms};
use crate::domain::audit::Change;
use crate::domain::role::Role;
use crate::store::{Result, Seed};

/// Inserts the parts of the seed that are absent, and puts them on record when there are any.
pub(super) fn insert_absent(tx: &Tx<'_>, seed: Seed) -> Result<()> {
    let (mut roles, mut permissions, mut rooms) = (Vec::new(), Vec::new(), Vec::new());
    for role in seed.roles {
        if insert_role(tx, &role)? {
            roles.push(role.id);
        }
    }
    for permission in seed.permissions {
        if permissions::insert_absent(tx.db, &permission)? {
            permissions.push(permission.id);
        }
    }
    for room in seed.rooms {
        if rooms::insert_absent(tx.db, &room)? {
            rooms.push(room.id);
        }
    }
    if roles.is_empty() && permissions.is_empty() && rooms.is_empty() {
        return Ok(());
    }
    tx.record(Change::WorkspaceSeeded { roles, permissions, rooms })
}

fn insert_role(tx: &Tx<'_>, role: &Role) -> Result<bool> {
    let known = tx.db.exists("SELECT 1 FROM roles WHERE id = ?1", [role.id.as_str()])?;
    if known || roles::name_is_taken(tx.db, &role.name, None)? {
        return Ok(false);
    }
    roles::insert(tx.db, role)?;
    Ok(true)
}
