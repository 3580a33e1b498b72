//! The lock documents that turn write skew into a write conflict: two operations whose decisions depend on each other
//! write the same document, so that one of them must run again on what the other left.
//!
//! A lock is always written before anything is read, because the first statement fixes what a transaction sees: a
//! reader with an older view cannot get past a lock that somebody has written since. Locks live in a collection of our
//! own; their content means nothing. A Rocket.Chat server on the same database takes no locks: what it changes at the
//! very same moment is caught only where both write the same document.

use mongodb::bson::{Document, doc};

use super::documents;
use super::error::{Failure, Step, is_duplicate};
use super::transaction::Transaction;
use super::{MongoStore, strings};
use crate::domain::ids::{OrganizationId, RoleId, RoomId, UserId};
use crate::domain::role::{OWNER, Role};
use crate::store::Result;

/// What can be locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lock {
    /// Whether that role is there to be named.
    Role(RoleId),
    /// Who is a member of that room, and whether it is there.
    Room(RoomId),
    /// Which names roles have.
    RoleNames,
    /// Which names rooms have.
    RoomNames,
    /// Which usernames and addresses are taken.
    UserNames,
    /// Who can administer the workspace.
    Administration,
    /// Whether the workspace has its first administrator.
    FirstAdministrator,
    /// Whether that account is there and may act, as far as organizations count on it.
    Account(UserId),
    /// Whether that organization is there to be joined, and who owns it.
    Organization(OrganizationId),
}

impl Lock {
    /// `_id` of the lock's document.
    fn key(&self) -> String {
        match self {
            Self::Role(id) => format!("role:{id}"),
            Self::Room(id) => format!("room:{id}"),
            Self::RoleNames => "role-names".to_owned(),
            Self::RoomNames => "room-names".to_owned(),
            Self::UserNames => "user-names".to_owned(),
            Self::Administration => "administration".to_owned(),
            Self::FirstAdministrator => "first-administrator".to_owned(),
            Self::Account(id) => format!("account:{id}"),
            Self::Organization(id) => format!("organization:{id}"),
        }
    }
}

impl Transaction {
    /// Whether this attempt has taken the lock.
    pub(super) fn holds(&self, lock: &Lock) -> bool {
        self.held.contains(&lock.key())
    }
}

impl MongoStore {
    /// Takes a lock until the transaction ends.
    pub(super) async fn lock(&self, tx: &mut Transaction, lock: &Lock) -> Step<()> {
        let key = lock.key();
        if self.skips(lock) {
            tx.held.insert(key);
            return Ok(());
        }
        if let Some(turn) = self.queues.wait(&key, &tx.turns).await {
            tx.turns.push(turn);
        }
        let write = self
            .locks()
            .update_one(doc! { "_id": &key }, doc! { "$inc": { "taken": 1_i64 } })
            .upsert(true)
            .session(&mut tx.session)
            .await;
        match write {
            Ok(_) => {
                tx.held.insert(key);
                Ok(())
            }
            // Somebody else has just made the same lock's document.
            Err(error) if is_duplicate(&error) => Err(Failure::Outdated),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the locks of those roles that can be deleted. A protected role never goes, so naming it needs no lock;
    /// that keeps the roles that everybody gets free of contention.
    pub(super) async fn lock_roles(&self, tx: &mut Transaction, roles: &[RoleId]) -> Step<()> {
        for role in self.deletable(roles).await? {
            self.lock(tx, &Lock::Role(role)).await?;
        }
        Ok(())
    }

    /// Takes the locks of the rooms that an account owns: whoever leaves one of them at the same time, or gives up owning
    /// it, counts on this owner, and this one on him. Which rooms these are is read outside of the transaction, as in
    /// [`MongoStore::deletable`]; [`MongoStore::sole_rooms`] notices when that was out of date.
    pub(super) async fn lock_owned_rooms(&self, tx: &mut Transaction, user: &UserId) -> Step<()> {
        let order = doc! { "rid": 1 };
        let owned = self.find(&self.subscriptions(), owned_by(user), doc! { "rid": 1 }, order).await?;
        for room in owned.iter().filter_map(|subscription| subscription.get_str("rid").ok()) {
            self.lock(tx, &Lock::Room(RoomId::from_stored(room))).await?;
        }
        Ok(())
    }

    /// Those of the roles that exist and are not protected, each once, in one order for everybody. Read outside of the
    /// transaction, whose view must begin with its locks; [`MongoStore::locked_role`] and
    /// [`MongoStore::first_unknown_role`] notice when this was out of date. However many ids a caller names, there are
    /// no more locks than roles.
    async fn deletable(&self, roles: &[RoleId]) -> Result<Vec<RoleId>> {
        if roles.is_empty() {
            return Ok(Vec::new());
        }
        let filter = doc! { "_id": { "$in": strings(roles) }, "protected": { "$ne": true } };
        let found = self.find(&self.roles(), filter, doc! { "_id": 1 }, doc! { "_id": 1 }).await?;
        Ok(found.iter().filter_map(|role| role.get_str("_id").ok()).map(RoleId::from_stored).collect())
    }

    /// The role as the transaction sees it, which stays until the transaction ends.
    pub(super) async fn locked_role(&self, tx: &mut Transaction, id: &RoleId) -> Step<Option<Role>> {
        let found = tx.find_one(&self.roles(), doc! { "_id": id.as_str() }, Document::new()).await?;
        let Some(role) = found.as_ref().map(documents::role).transpose()? else {
            return Ok(None);
        };
        if !role.protected && !tx.holds(&Lock::Role(id.clone())) {
            return Err(Failure::Outdated);
        }
        Ok(Some(role))
    }

    /// The first of these roles that does not exist; those that do stay until the transaction ends.
    pub(super) async fn first_unknown_role(&self, tx: &mut Transaction, roles: &[RoleId]) -> Step<Option<RoleId>> {
        if roles.is_empty() {
            return Ok(None);
        }
        let filter = doc! { "_id": { "$in": strings(roles) } };
        let projection = doc! { "protected": 1 };
        let found = tx.find(&self.roles(), filter, projection, Document::new(), 0).await?;
        for role in roles {
            let Some(found) = found.iter().find(|found| found.get_str("_id").ok() == Some(role.as_str())) else {
                return Ok(Some(role.clone()));
            };
            let protected = found.get_bool("protected").unwrap_or(false);
            if !protected && !tx.holds(&Lock::Role(role.clone())) {
                return Err(Failure::Outdated);
            }
        }
        Ok(None)
    }

    /// Removes the lock's document of what goes with this transaction. Removing is a write like any other, so whoever
    /// wants the lock meanwhile still meets it.
    pub(super) async fn drop_lock(&self, tx: &mut Transaction, lock: &Lock) -> Step<()> {
        self.locks()
            .delete_one(doc! { "_id": lock.key() })
            .session(&mut tx.session)
            .await
            .map(drop)
            .map_err(Failure::from)
    }

    /// Whether a failure injection has switched this lock off.
    #[cfg(feature = "fault-injection")]
    fn skips(&self, lock: &Lock) -> bool {
        !self.role_locks
            && matches!(
                lock,
                Lock::Role(_) | Lock::Room(_) | Lock::Account(_) | Lock::Organization(_) | Lock::Administration
            )
    }

    #[cfg(not(feature = "fault-injection"))]
    fn skips(&self, _lock: &Lock) -> bool {
        false
    }
}

/// The subscriptions of the rooms that an account owns, alone or with others.
pub(super) fn owned_by(user: &UserId) -> Document {
    doc! { "u._id": user.as_str(), "roles": OWNER, "t": { "$ne": "d" } }
}
