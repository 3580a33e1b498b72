//! Switching accounts on and off: one, or those that nobody uses. What may never go with them is in `invariants`.

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::MongoStore;
use super::error::{Failure, Step, store_error};
use super::invariants::ownership;
use super::locks::Lock;
use super::members::but_for_last_owners;
use super::transaction::Transaction;
use super::values::{date, id};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::fact::Fact;
use crate::domain::ids::{RoomId, UserId};
use crate::domain::role::OWNER;
use crate::domain::user::{Activation, User};
use crate::domain::user_change::IdleAccounts;
use crate::store::{Conflict, Result, StoreError};

/// Accounts that the workspace cannot spare: at most the last administrator and the last who administers permissions.
const INDISPENSABLE: u64 = 2;

impl MongoStore {
    pub(super) async fn set_user_active_in(
        &self,
        tx: &mut Transaction,
        id: &UserId,
        activation: Activation,
        by: &AuditContext,
    ) -> Step<User> {
        let active = activation == Activation::Activate;
        if !active {
            self.lock(tx, &Lock::Administration).await?;
            self.lock_owned_rooms(tx, id).await?;
            self.lock_owned_organizations(tx, id).await?;
        }
        let user = self.account(tx, id).await?;
        if !active && user.active {
            self.may_be_spared(tx, &user).await?;
            let relinquished = self.withdraw(tx, &user, activation, by).await?;
            self.mark_active(tx, id, false, by).await?;
            self.record(tx, by, Change::UserDeactivated { user: id.clone(), relinquished }).await?;
        } else if !active {
            self.end_tokens(tx, id).await?;
            tx.facts.push(Fact::Account(id.clone()));
        } else if !user.active {
            self.mark_active(tx, id, true, by).await?;
            self.archive_direct_messages(tx, &user, false).await?;
            self.record(tx, by, Change::UserActivated { user: id.clone() }).await?;
        }
        self.account(tx, id).await
    }

    /// Refuses when an active account is not to be switched off or to go: what hangs on it is not the rooms' alone.
    pub(super) async fn may_be_spared(&self, tx: &mut Transaction, user: &User) -> Step<()> {
        self.may_be_deactivated(tx, &user.id, user.roles()).await?;
        self.require_other_owners(tx, &user.id).await
    }

    async fn mark_active(&self, tx: &mut Transaction, id: &UserId, active: bool, by: &AuditContext) -> Step<()> {
        let change = doc! { "$set": { "active": active, "_updatedAt": date(by.at) } };
        self.users().update_one(doc! { "_id": id.as_str() }, change).session(&mut tx.session).await?;
        Ok(())
    }

    /// What else happens when an account is deactivated: its rooms are looked after, its tokens end, its direct
    /// messages are put away. Gives back the rooms with a new owner.
    pub(super) async fn withdraw(
        &self,
        tx: &mut Transaction,
        user: &User,
        activation: Activation,
        by: &AuditContext,
    ) -> Step<Vec<RoomId>> {
        let rooms = self.sole_rooms(tx, &user.id).await?;
        if activation != Activation::DeactivateAndRelinquish && !rooms.is_empty() {
            return Err(Conflict::SoleOwner(ownership(&rooms)).into());
        }
        let mut relinquished = Vec::new();
        for room in rooms {
            let Some(successor) = room.successor else {
                continue;
            };
            self.make_owner(tx, &successor, by).await?;
            relinquished.push(RoomId::from_stored(room.id));
        }
        self.end_tokens(tx, &user.id).await?;
        self.archive_direct_messages(tx, user, true).await?;
        Ok(relinquished)
    }

    /// Makes the member with that subscription an owner.
    pub(super) async fn make_owner(&self, tx: &mut Transaction, subscription: &str, by: &AuditContext) -> Step<()> {
        let change = doc! { "$addToSet": { "roles": OWNER }, "$set": { "_updatedAt": date(by.at) } };
        self.subscriptions().update_one(doc! { "_id": subscription }, change).session(&mut tx.session).await?;
        Ok(())
    }

    /// Marks what others have of their direct messages with the account, so that their clients put it away (or show
    /// it again). The others are found by the account's own subscriptions, because the name alone has no index.
    pub(super) async fn archive_direct_messages(&self, tx: &mut Transaction, user: &User, archived: bool) -> Step<()> {
        let Some(username) = &user.username else {
            return Ok(());
        };
        let rooms = self.direct_rooms(tx, &user.id).await?;
        if rooms.is_empty() {
            return Ok(());
        }
        let theirs = doc! { "rid": { "$in": rooms }, "t": "d", "name": username };
        let change = doc! { "$set": { "archived": archived } };
        self.subscriptions().update_many(theirs, change).session(&mut tx.session).await?;
        Ok(())
    }

    /// The direct rooms of an account.
    pub(super) async fn direct_rooms(&self, tx: &mut Transaction, user: &UserId) -> Step<Vec<String>> {
        let own = doc! { "u._id": user.as_str(), "t": "d" };
        let own = tx.find(&self.subscriptions(), own, doc! { "rid": 1 }, Document::new(), 0).await?;
        Ok(own.iter().filter_map(|subscription| subscription.get_str("rid").ok()).map(str::to_owned).collect())
    }

    /// Ends every token of an account, personal ones included.
    pub(super) async fn end_tokens(&self, tx: &mut Transaction, id: &UserId) -> Step<()> {
        let having = doc! { "_id": id.as_str(), "services.resume.loginTokens.0": { "$exists": true } };
        let without = doc! { "$set": { "services.resume.loginTokens": [] } };
        self.users().update_one(having, without).session(&mut tx.session).await?;
        Ok(())
    }

    pub(super) async fn deactivate_idle_in(
        &self,
        tx: &mut Transaction,
        idle: &IdleAccounts,
        limit: u64,
        by: &AuditContext,
    ) -> Step<u64> {
        self.lock(tx, &Lock::Administration).await?;
        for user in self.idle_accounts_before(idle, limit).await? {
            self.lock_owned_rooms(tx, &user).await?;
            self.lock_owned_organizations(tx, &user).await?;
        }
        let mut users = Vec::new();
        let mut relinquished = Vec::new();
        for user in self.idle_accounts(tx, idle, limit).await? {
            if users.len() as u64 == limit {
                break;
            }
            let user = self.account(tx, &user).await?;
            match self.may_be_spared(tx, &user).await {
                Ok(()) => {}
                Err(Failure::Refused(StoreError::Conflict(_))) => continue,
                Err(failure) => return Err(failure),
            }
            relinquished.extend(self.withdraw(tx, &user, Activation::DeactivateAndRelinquish, by).await?);
            self.mark_active(tx, &user.id, false, by).await?;
            users.push(user.id);
        }
        let count = users.len() as u64;
        if count > 0 {
            self.record(tx, by, Change::IdleUsersDeactivated { users, relinquished }).await?;
        }
        Ok(count)
    }

    /// The next ones that could be deactivated, and as many more as could turn out to be indispensable.
    async fn idle_accounts(&self, tx: &mut Transaction, idle: &IdleAccounts, limit: u64) -> Step<Vec<UserId>> {
        let found = tx.aggregate(&self.users(), candidates(idle, limit)).await?;
        Ok(user_ids(&found)?)
    }

    /// The same ones, read before the transaction, whose view must begin with the locks of what they own.
    async fn idle_accounts_before(&self, idle: &IdleAccounts, limit: u64) -> Result<Vec<UserId>> {
        let found = self.users().aggregate(candidates(idle, limit)).await.map_err(store_error)?;
        user_ids(&found.try_collect::<Vec<_>>().await.map_err(store_error)?)
    }
}

fn unused(idle: &IdleAccounts) -> Document {
    doc! {
        "active": true,
        "lastLogin": { "$lte": date(idle.since) },
        "roles": idle.role.as_str(),
        "_id": { "$ne": idle.except.as_str() },
    }
}

/// Whoever is the last Owner of an organization is left out here, not found out one by one: of those there may be any
/// number, and they would be in the way of all others.
fn candidates(idle: &IdleAccounts, limit: u64) -> Vec<Document> {
    let at_most = i64::try_from(limit.saturating_add(INDISPENSABLE)).unwrap_or(i64::MAX);
    let mut stages =
        vec![doc! { "$match": unused(idle) }, doc! { "$sort": { "lastLogin": 1 } }, doc! { "$project": { "_id": 1 } }];
    stages.extend(but_for_last_owners());
    stages.push(doc! { "$limit": at_most });
    stages
}

fn user_ids(users: &[Document]) -> Result<Vec<UserId>> {
    users.iter().map(|user| Ok(UserId::from_stored(id(user, "user")?))).collect()
}
