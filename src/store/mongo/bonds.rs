//! What the deletion of a role depends on, and what it takes with it: asked with one question, because each costs the way
//! to the server and back. How many hold it and who they are is only asked for a refusal, in `holders`.

use mongodb::bson::{Bson, Document, doc};

use super::MongoStore;
use super::error::Step;
use super::indexes::{PERMISSIONS, SETTINGS, SUBSCRIPTIONS, USERS};
use super::transaction::Transaction;
use super::values::id;
use crate::domain::ids::{PermissionId, RoleId};
use crate::domain::setting::settings_that_name_roles;
use crate::store::Result;

/// A role with whatever names it.
pub(super) struct RoleBonds {
    /// The role's own document.
    pub(super) stored: Document,
    /// Whether an account or a subscription has it.
    pub(super) held: bool,
    /// The permissions that have it, in the order in which they were inserted.
    pub(super) permissions: Vec<PermissionId>,
    /// The stored values of the settings that may name it.
    pub(super) settings: Vec<Document>,
}

impl MongoStore {
    /// What a role is bound to, as the transaction sees it; `None` when there is no such role.
    pub(super) async fn role_bonds(&self, tx: &mut Transaction, role: &RoleId) -> Step<Option<RoleBonds>> {
        // Inside a transaction a router joins no collection that is spread over shards.
        if self.sharded { self.bonds_one_by_one(tx, role).await } else { self.bonds_at_once(tx, role).await }
    }

    async fn bonds_at_once(&self, tx: &mut Transaction, role: &RoleId) -> Step<Option<RoleBonds>> {
        let having = doc! { "roles": role.as_str() };
        let pipeline = vec![
            doc! { "$match": { "_id": role.as_str() } },
            doc! { "$project": { "_id": 0, "role": "$$ROOT" } },
            joined(USERS, "accounts", vec![doc! { "$match": &having }, doc! { "$limit": 1 }, only("_id")]),
            joined(SUBSCRIPTIONS, "members", vec![doc! { "$match": &having }, doc! { "$limit": 1 }, only("_id")]),
            joined(PERMISSIONS, "permissions", vec![doc! { "$match": having }, only("_id")]),
            joined(SETTINGS, "settings", vec![doc! { "$match": naming() }, only("value")]),
        ];
        let found = tx.aggregate(&self.roles(), pipeline).await?;
        let Some(found) = found.into_iter().next() else {
            return Ok(None);
        };
        let held = !list(&found, "accounts").is_empty() || !list(&found, "members").is_empty();
        let (permissions, settings) = (ids(&list(&found, "permissions"))?, list(&found, "settings"));
        let stored = found.get_document("role").cloned().unwrap_or_default();
        Ok(Some(RoleBonds { stored, held, permissions, settings }))
    }

    async fn bonds_one_by_one(&self, tx: &mut Transaction, role: &RoleId) -> Step<Option<RoleBonds>> {
        let Some(stored) = tx.find_one(&self.roles(), doc! { "_id": role.as_str() }, Document::new()).await? else {
            return Ok(None);
        };
        let having = doc! { "roles": role.as_str() };
        let held =
            tx.exists(&self.users(), having.clone()).await? || tx.exists(&self.subscriptions(), having.clone()).await?;
        let natural = doc! { "$natural": 1 };
        let permissions = tx.find(&self.permissions(), having, doc! { "_id": 1 }, natural, 0).await?;
        let settings = tx.find(&self.settings(), naming(), doc! { "value": 1 }, Document::new(), 0).await?;
        Ok(Some(RoleBonds { stored, held, permissions: ids(&permissions)?, settings }))
    }
}

/// The settings that may name a role.
fn naming() -> Document {
    let ids: Vec<&str> = settings_that_name_roles().map(|setting| setting.id).collect();
    doc! { "_id": { "$in": ids } }
}

fn joined(from: &str, name: &str, pipeline: Vec<Document>) -> Document {
    doc! { "$lookup": { "from": from, "pipeline": pipeline, "as": name } }
}

fn only(field: &str) -> Document {
    doc! { "$project": { field: 1 } }
}

fn list(found: &Document, name: &str) -> Vec<Document> {
    let list = found.get_array(name).into_iter().flatten();
    list.filter_map(Bson::as_document).cloned().collect()
}

fn ids(permissions: &[Document]) -> Result<Vec<PermissionId>> {
    permissions.iter().map(|permission| id(permission, "permission").map(PermissionId::from_stored)).collect()
}
