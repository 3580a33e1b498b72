//! The lock documents that turn write skew into a write conflict: two operations whose decisions depend on each other
//! write the same document, so that one of them must run again on what the other left.
//!
//! A lock is always written before anything is read, because the first statement fixes what a transaction sees: a
//! reader with an older view cannot get past a lock that somebody has written since. Locks live in a collection of our
//! own; their content means nothing. A Rocket.Chat server on the same database takes no locks: what it changes at the
//! very same moment is caught only where both write the same document.

use mongodb::bson::{Bson, Document, doc};
use sha2::{Digest as _, Sha256};

use super::error::{Failure, Step, is_duplicate, write_failure};
use super::transaction::Transaction;
use super::{MongoStore, documents, indexes, strings};
use crate::domain::ids::{OrganizationId, RoleId, RoomId, UserId};
use crate::domain::role::{DEFAULT_ROLES, OWNER, Role, name_key};
use crate::store::Result;

/// Names of roles share a lock by chance; so many make it rare, and there are never more documents.
const ROLE_NAMES: u16 = 1_024;
/// So many roles are locked without asking which of them can be deleted.
const UNASKED: usize = 16;

/// What can be locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lock {
    /// Whether that role is there to be named.
    Role(RoleId),
    /// Who is a member of that room, and whether it is there.
    Room(RoomId),
    /// Which roles have a name of that number: see [`Lock::role_name`].
    RoleName(u16),
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
    /// The lock of whoever makes a role of that name or gives it to one. Names that collide have the same key and so the
    /// same lock: of two who want one name, the second sees what the first has made. A name that is a role's id collides
    /// too, but with a role that is there already: ids of new roles are fresh, and [`MongoStore::seed_in`], whose ids are
    /// not, takes the locks of the ids as well.
    pub(super) fn role_name(name: &str) -> Self {
        // The same on every node, whatever it was built with, which the standard library does not promise of its hashes.
        let digest = Sha256::digest(name_key(name).as_bytes());
        Self::RoleName(u16::from_be_bytes([digest[0], digest[1]]) % ROLE_NAMES)
    }

    /// `_id` of the lock's document.
    fn key(&self) -> String {
        match self {
            Self::Role(id) => format!("role:{id}"),
            Self::Room(id) => format!("room:{id}"),
            Self::RoleName(number) => format!("role-name:{number}"),
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

    /// Starts again, with that lock, unless this attempt has taken it.
    fn insist_on(&mut self, lock: &Lock) -> Step<()> {
        if self.holds(lock) {
            return Ok(());
        }
        self.missed.insert(lock.key());
        Err(Failure::Outdated)
    }
}

impl MongoStore {
    /// Takes a lock until the transaction ends.
    pub(super) async fn lock(&self, tx: &mut Transaction, lock: &Lock) -> Step<()> {
        self.lock_all(tx, std::slice::from_ref(lock)).await
    }

    /// Takes locks until the transaction ends, all with one statement.
    pub(super) async fn lock_all(&self, tx: &mut Transaction, locks: &[Lock]) -> Step<()> {
        let mut keys: Vec<String> = locks.iter().filter_map(|lock| self.unheld(tx, lock)).collect();
        keys.sort_by_key(|key| self.queues.number(key));
        for key in &keys {
            self.queue_for(tx, key).await;
        }
        self.write_locks(tx, keys).await
    }

    /// Makes and takes the lock of what nobody else can know of yet, and with it takes another.
    pub(super) async fn lock_with_new(&self, tx: &mut Transaction, lock: &Lock, new: &Lock) -> Step<()> {
        let mut keys = Vec::with_capacity(2);
        if let Some(key) = self.unheld(tx, lock) {
            self.queue_for(tx, &key).await;
            keys.push(key);
        }
        keys.extend(self.unheld(tx, new));
        self.write_locks(tx, keys).await
    }

    async fn write_locks(&self, tx: &mut Transaction, keys: Vec<String>) -> Step<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let taken = keys.into_iter();
        let taken = taken.map(|key| doc! { "q": { "_id": key }, "u": { "$inc": { "taken": 1_i64 } }, "upsert": true });
        // The driver's own calls write one document each.
        let command = doc! { "update": indexes::LOCKS, "updates": taken.collect::<Vec<_>>() };
        match self.database.run_command(command).session(&mut tx.session).await {
            Ok(answer) => lock_outcome(answer.get("writeErrors")),
            // Somebody else has just made the same lock's document.
            Err(error) if is_duplicate(&error) => Err(Failure::Outdated),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lock of what goes with this transaction, and removes its document. Removing is a write like any other,
    /// so whoever wants the lock meanwhile meets it, and finds out that what he wanted it for is gone.
    pub(super) async fn lock_for_good(&self, tx: &mut Transaction, lock: &Lock) -> Step<()> {
        let Some(key) = self.unheld(tx, lock) else {
            return Ok(());
        };
        self.queue_for(tx, &key).await;
        let itself = doc! { "_id": &key };
        let removed = self.locks().delete_one(itself).session(&mut tx.session).await?;
        if removed.deleted_count > 0 {
            return Ok(());
        }
        // Nobody has taken it yet. Removing nothing keeps nobody away; so it is made first.
        self.write_locks(tx, vec![key]).await?;
        self.drop_lock(tx, lock).await
    }

    /// The key of a lock that is still to be taken, which counts as held from now on: an attempt that fails to write it is
    /// at its end.
    fn unheld(&self, tx: &mut Transaction, lock: &Lock) -> Option<String> {
        let key = lock.key();
        (tx.held.insert(key.clone()) && !self.skips(lock)).then_some(key)
    }

    /// Waits for a turn among the operations of this node.
    async fn queue_for(&self, tx: &mut Transaction, key: &str) {
        if let Some(turn) = self.queues.wait(key, &tx.turns).await {
            tx.turns.push(turn);
        }
    }

    /// Takes the locks of those roles that can be deleted, for whoever goes on to name them.
    pub(super) async fn lock_roles(&self, tx: &mut Transaction, roles: &[RoleId]) -> Step<()> {
        let locks = self.role_locks(tx, roles).await?;
        self.lock_all(tx, &locks).await
    }

    /// The locks that naming these roles takes, in one order for everybody. A protected role never goes, so naming it
    /// needs no lock; that keeps the roles that everybody gets free of contention. Which roles are protected is known of
    /// those that every workspace has, and not asked of a few others. [`MongoStore::locked_role`] and
    /// [`MongoStore::first_unknown_role`] notice when a lock was needed after all, and the next attempt takes it.
    pub(super) async fn role_locks(&self, tx: &Transaction, roles: &[RoleId]) -> Result<Vec<Lock>> {
        let mut needed: Vec<RoleId> = roles.to_vec();
        needed.retain(|role| !is_default(role) || tx.missed.contains(&Lock::Role(role.clone()).key()));
        needed.sort_unstable();
        needed.dedup();
        if needed.len() > UNASKED {
            needed = self.deletable(&needed).await?;
        }
        Ok(needed.into_iter().map(Lock::Role).collect())
    }

    /// Takes the locks of the rooms that an account owns: whoever leaves one of them at the same time, or gives up owning
    /// it, counts on this owner, and this one on him. Which rooms these are is read outside of the transaction, as in
    /// [`MongoStore::deletable`]; [`MongoStore::sole_rooms`] notices when that was out of date.
    pub(super) async fn lock_owned_rooms(&self, tx: &mut Transaction, user: &UserId) -> Step<()> {
        let order = doc! { "rid": 1 };
        let owned = self.find(&self.subscriptions(), owned_by(user), doc! { "rid": 1 }, order).await?;
        let rooms = owned.iter().filter_map(|subscription| subscription.get_str("rid").ok());
        let locks: Vec<Lock> = rooms.map(|room| Lock::Room(RoomId::from_stored(room))).collect();
        self.lock_all(tx, &locks).await
    }

    /// Those of the roles that exist and are not protected, each once, in one order for everybody. Read outside of the
    /// transaction, whose view must begin with its locks; [`MongoStore::locked_role`] and
    /// [`MongoStore::first_unknown_role`] notice when this was out of date. However many ids a caller names, there are
    /// no more locks than roles.
    async fn deletable(&self, roles: &[RoleId]) -> Result<Vec<RoleId>> {
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
        if !role.protected {
            tx.insist_on(&Lock::Role(id.clone()))?;
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
            if !protected {
                tx.insist_on(&Lock::Role(role.clone()))?;
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
                Lock::Role(_)
                    | Lock::RoleName(_)
                    | Lock::Room(_)
                    | Lock::Account(_)
                    | Lock::Organization(_)
                    | Lock::Administration
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

/// Whether a role is one that every workspace has, protected from the start.
fn is_default(role: &RoleId) -> bool {
    DEFAULT_ROLES.iter().any(|default| default.id == role.as_str())
}

/// What the server says of single writes of a command that was carried out as a whole.
fn lock_outcome(errors: Option<&Bson>) -> Step<()> {
    let first = errors.and_then(Bson::as_array).and_then(|errors| errors.first()).and_then(Bson::as_document);
    // Mostly somebody else has just made the same lock's document, or writes it.
    first.map_or(Ok(()), |error| Err(write_failure(error.get_i32("code").unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_collide_have_one_lock_on_every_node() {
        assert_eq!(Lock::role_name("Deputy"), Lock::role_name(" dePUTY\u{200b}"));
        assert_eq!(Lock::role_name("\u{c9}mile"), Lock::role_name("E\u{301}MILE"));
        assert_eq!(Lock::role_name("deputy"), Lock::RoleName(101));
    }
}
