//! What no change may take away: the last administrator, the last who can administer permissions, the owner of a room.
//! Every caller holds the lock of the administration, so that two changes that are harmless alone cannot add up.

use mongodb::bson::{Document, doc};

use super::MongoStore;
use super::error::{Failure, Step};
use super::indexes::USERS;
use super::locks::{Lock, owned_by};
use super::transaction::Transaction;
use super::values::{text, texts};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::role::{ADMIN, MAX_NAMED_HOLDERS, OWNER};
use crate::domain::user::{KIND_APP, SoleOwnership, User};
use crate::store::Conflict;

/// Accounts that can act (`User::can_act`).
pub(super) fn acting() -> Document {
    doc! { "active": true, "type": { "$ne": KIND_APP } }
}

/// Rooms of which somebody is the only owner.
pub(super) struct SoleRoom {
    /// `rid` of the subscription.
    pub(super) id: String,
    /// The room's name.
    name: String,
    /// `_id` of the subscription of the member who could take over.
    pub(super) successor: Option<String>,
}

impl MongoStore {
    /// Refuses when an account, which was called `username`, should not have lost a role of its own list, as it has in
    /// this transaction.
    pub(super) async fn may_have_lost_role(
        &self,
        tx: &mut Transaction,
        role: &RoleId,
        username: Option<String>,
    ) -> Step<()> {
        if !tx.holds(&Lock::Administration) {
            return Err(Failure::Outdated);
        }
        if role.as_str() == ADMIN && !self.somebody_can(tx, &[ADMIN]).await? {
            let mut holders = self.account_names(tx, role).await?;
            holders.extend(username);
            holders.sort_unstable();
            holders.truncate(MAX_NAMED_HOLDERS);
            return Err(Conflict::LastAdministrator { holders }.into());
        }
        let access = self.access_roles(tx).await?;
        if self.somebody_can(tx, &access_strs(&access)).await? {
            return Ok(());
        }
        Err(Conflict::PermissionsLockout.into())
    }

    /// Refuses when an account is not to lose what a change would take from it: roles, or being able to act.
    pub(super) async fn may_lose(&self, tx: &mut Transaction, before: &User, after: &User) -> Step<()> {
        let switched_off = before.active && !after.active;
        if !switched_off && before.roles().iter().all(|role| after.holds(role)) {
            return Ok(());
        }
        if !tx.holds(&Lock::Administration) {
            return Err(Failure::Outdated);
        }
        let admin = RoleId::from_stored(ADMIN);
        let gives_up_admin = before.holds(&admin) && (switched_off || !after.holds(&admin));
        if gives_up_admin && !self.others_can(tx, &before.id, &[ADMIN]).await? {
            return Err(self.last_administrator(tx).await?);
        }
        let access = self.access_roles(tx).await?;
        let keeps_access = after.can_act() && access.iter().any(|role| after.holds(&RoleId::from_stored(role)));
        if keeps_access || self.others_can(tx, &before.id, &access_strs(&access)).await? {
            return Ok(());
        }
        Err(Conflict::PermissionsLockout.into())
    }

    /// Refuses when an active account is not to be switched off; `held` are its roles.
    pub(super) async fn may_be_deactivated(&self, tx: &mut Transaction, user: &UserId, held: &[RoleId]) -> Step<()> {
        if held.iter().any(|role| role.as_str() == ADMIN) && !self.others_can(tx, user, &[ADMIN]).await? {
            return Err(self.last_administrator(tx).await?);
        }
        let access = self.access_roles(tx).await?;
        if self.others_can(tx, user, &access_strs(&access)).await? {
            return Ok(());
        }
        Err(Conflict::PermissionsLockout.into())
    }

    /// Whether an account that can act holds one of the roles.
    pub(super) async fn somebody_can(&self, tx: &mut Transaction, roles: &[&str]) -> Step<bool> {
        let mut holding = acting();
        holding.insert("roles", doc! { "$in": roles });
        tx.exists(&self.users(), holding).await
    }

    async fn others_can(&self, tx: &mut Transaction, but: &UserId, roles: &[&str]) -> Step<bool> {
        let mut holding = acting();
        holding.insert("_id", doc! { "$ne": but.as_str() });
        holding.insert("roles", doc! { "$in": roles });
        tx.exists(&self.users(), holding).await
    }

    async fn last_administrator(&self, tx: &mut Transaction) -> Step<Failure> {
        let holders = self.account_names(tx, &RoleId::from_stored(ADMIN)).await?;
        Ok(Conflict::LastAdministrator { holders }.into())
    }

    /// The roles that can administer permissions.
    async fn access_roles(&self, tx: &mut Transaction) -> Step<Vec<String>> {
        let itself = doc! { "_id": ACCESS_PERMISSIONS };
        let found = tx.find_one(&self.permissions(), itself, doc! { "roles": 1 }).await?;
        Ok(found.and_then(|permission| texts(&permission, "roles")).unwrap_or_default())
    }

    /// The rooms of which the account is the only owner, sorted by name. Direct rooms have no use for owners.
    pub(super) async fn sole_rooms(&self, tx: &mut Transaction, user: &UserId) -> Step<Vec<SoleRoom>> {
        let projection = doc! { "rid": 1, "name": 1, "fname": 1 };
        let order = doc! { "name": 1, "rid": 1 };
        let owned = tx.find(&self.subscriptions(), owned_by(user), projection, order, 0).await?;
        let mut sole = Vec::new();
        for subscription in owned {
            let Some(id) = text(&subscription, "rid") else {
                continue;
            };
            if !tx.holds(&Lock::Room(RoomId::from_stored(id.as_str()))) {
                return Err(Failure::Outdated);
            }
            let mut owners = others_in(&id, user);
            owners.insert("roles", OWNER);
            if tx.exists(&self.subscriptions(), owners).await? {
                continue;
            }
            let name = text(&subscription, "name").or_else(|| text(&subscription, "fname"));
            let successor = self.successor(tx, &id, user).await?;
            sole.push(SoleRoom { name: name.unwrap_or_else(|| id.clone()), id, successor });
        }
        Ok(sole)
    }

    /// The subscription of the member of longest standing, but for one, whose account is active.
    async fn successor(&self, tx: &mut Transaction, room: &str, but: &UserId) -> Step<Option<String>> {
        let pipeline = vec![
            doc! { "$match": others_in(room, but) },
            doc! { "$project": { "ts": 1, "u._id": 1 } },
            doc! { "$sort": { "ts": 1 } },
            doc! { "$lookup": { "from": USERS, "localField": "u._id", "foreignField": "_id", "as": "account" } },
            doc! { "$match": { "account.active": true } },
            doc! { "$limit": 1 },
            doc! { "$project": { "_id": 1 } },
        ];
        let found = tx.aggregate(&self.subscriptions(), pipeline).await?;
        Ok(found.first().and_then(|subscription| text(subscription, "_id")))
    }
}

/// Subscriptions of a room but for one member's.
fn others_in(room: &str, but: &UserId) -> Document {
    doc! { "rid": room, "u._id": { "$ne": but.as_str() } }
}

/// The rooms as a refusal names them. Members who are deactivated cannot take over: a room without any other is as
/// good as empty.
pub(super) fn ownership(rooms: &[SoleRoom]) -> SoleOwnership {
    let (shared, alone): (Vec<&SoleRoom>, Vec<&SoleRoom>) = rooms.iter().partition(|room| room.successor.is_some());
    let names = |rooms: Vec<&SoleRoom>| rooms.into_iter().map(|room| room.name.clone()).collect();
    SoleOwnership { alone: names(alone), shared: names(shared) }
}

fn access_strs(roles: &[String]) -> Vec<&str> {
    roles.iter().map(String::as_str).collect()
}
