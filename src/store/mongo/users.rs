//! Accounts: finding one and making one. Changing one is in `user_changes` and `user_deletion`, switching one on or off
//! in `activation`, going through many in `directory`; tokens are in `tokens`.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};

use super::error::{Step, store_error, taken};
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::values::text;
use super::{MongoStore, documents, ignore_case};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, UserId};
use crate::domain::role::ADMIN;
use crate::domain::room::UserSummary;
use crate::domain::user::{Activation, KIND_USER, Membership, NewUser, PasswordHash, User};
use crate::store::{Conflict, Noun, Result, StoreError, Unique, UserStore, UsernameMatch};

/// What the unique indexes of accounts keep apart.
pub(super) const UNIQUES: [(&str, Unique); 2] =
    [("emails.address", Unique::EmailAddress), ("username", Unique::Username)];

#[async_trait]
impl UserStore for MongoStore {
    async fn find_user(&self, id: &UserId) -> Result<Option<User>> {
        self.find_account(doc! { "_id": id.as_str() }).await
    }

    async fn find_user_by_username(&self, username: &str, matching: UsernameMatch) -> Result<Option<User>> {
        let exact = self.find_account(doc! { "username": username }).await?;
        if exact.is_some() || matching == UsernameMatch::Exact {
            return Ok(exact);
        }
        let mut candidates = self.find_ignoring_case(doc! { "username": username }).await?;
        Ok(if candidates.len() == 1 { candidates.pop() } else { None })
    }

    async fn find_user_by_email(&self, address: &str) -> Result<Option<User>> {
        let exact = self.find_account(doc! { "emails.address": address }).await?;
        if exact.is_some() {
            return Ok(exact);
        }
        Ok(self.find_ignoring_case(doc! { "emails.address": address }).await?.into_iter().next())
    }

    async fn find_password(&self, id: &UserId) -> Result<Option<PasswordHash>> {
        let projection = doc! { "services.password.bcrypt": 1 };
        let found = self.find_one(&self.users(), doc! { "_id": id.as_str() }, projection).await?;
        let hash =
            found.and_then(|user| text(user.get_document("services").ok()?.get_document("password").ok()?, "bcrypt"));
        Ok(hash.map(PasswordHash::from_stored))
    }

    async fn create_user(&self, user: NewUser, by: &AuditContext) -> Result<User> {
        let user = NewUser { roles: without_repeated_roles(user.roles.clone()), ..user };
        transact!(self, tx => self.create_user_in(&mut tx, &user, by))
    }

    async fn create_first_administrator(&self, user: NewUser, by: &AuditContext) -> Result<Option<User>> {
        let user = NewUser { roles: without_repeated_roles(user.roles.clone()), ..user };
        transact!(self, tx => self.create_first_administrator_in(&mut tx, &user, by))
    }

    async fn count_people(&self, limit: u64) -> Result<u64> {
        if limit == 0 {
            return Ok(0);
        }
        // An account without a kind is a person's; asking for null finds it.
        let people = doc! { "type": { "$in": [KIND_USER, null] } };
        self.users().count_documents(people).limit(limit).await.map_err(store_error)
    }

    async fn set_user_active(&self, id: &UserId, activation: Activation, by: &AuditContext) -> Result<User> {
        transact!(self, tx => self.set_user_active_in(&mut tx, id, activation, by))
    }

    async fn list_memberships(&self, id: &UserId) -> Result<Vec<Membership>> {
        let projection = doc! { "rid": 1, "name": 1, "fname": 1, "t": 1, "roles": 1, "unread": 1 };
        let found =
            self.find(&self.subscriptions(), doc! { "u._id": id.as_str() }, projection, Document::new()).await?;
        let mut memberships = found.iter().map(documents::membership).collect::<Result<Vec<_>>>()?;
        memberships.sort_by(|one, other| (&one.name, one.room.as_str()).cmp(&(&other.name, other.room.as_str())));
        Ok(memberships)
    }
}

/// A list of roles is a set.
pub(super) fn without_repeated_roles(roles: Vec<RoleId>) -> Vec<RoleId> {
    let mut seen = HashSet::with_capacity(roles.len());
    roles.into_iter().filter(|role| seen.insert(role.clone())).collect()
}

impl MongoStore {
    async fn find_account(&self, filter: Document) -> Result<Option<User>> {
        let found = self.find_one(&self.users(), filter, documents::user_projection()).await?;
        found.as_ref().map(documents::user).transpose()
    }

    /// Up to two accounts: enough to see whether there is exactly one.
    async fn find_ignoring_case(&self, filter: Document) -> Result<Vec<User>> {
        let users = self.users();
        let find = users.find(filter).collation(ignore_case()).projection(documents::user_projection()).limit(2);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        found.iter().map(documents::user).collect()
    }

    /// The account as the transaction sees it.
    pub(super) async fn account(&self, tx: &mut Transaction, id: &UserId) -> Step<User> {
        let found = tx.find_one(&self.users(), doc! { "_id": id.as_str() }, documents::user_projection()).await?;
        match found {
            Some(document) => Ok(documents::user(&document)?),
            None => Err(StoreError::NotFound(Noun::User).into()),
        }
    }

    async fn create_first_administrator_in(
        &self,
        tx: &mut Transaction,
        new: &NewUser,
        by: &AuditContext,
    ) -> Step<Option<User>> {
        self.lock(tx, &Lock::FirstAdministrator).await?;
        self.lock_new_user(tx, new).await?;
        if tx.exists(&self.users(), doc! { "roles": ADMIN }).await? {
            return Ok(None);
        }
        self.insert_user(tx, new, by).await.map(Some)
    }

    async fn create_user_in(&self, tx: &mut Transaction, new: &NewUser, by: &AuditContext) -> Step<User> {
        self.lock_new_user(tx, new).await?;
        self.insert_user(tx, new, by).await
    }

    /// Unique indexes tell names apart letter by letter; the lock keeps those apart that differ only in case.
    async fn lock_new_user(&self, tx: &mut Transaction, new: &NewUser) -> Step<()> {
        self.lock(tx, &Lock::UserNames).await?;
        self.lock_roles(tx, &new.roles).await
    }

    async fn insert_user(&self, tx: &mut Transaction, new: &NewUser, by: &AuditContext) -> Step<User> {
        self.insert_new_user(tx, new, by).await?;
        let created =
            Change::UserCreated { user: new.id.clone(), username: new.username.clone(), roles: new.roles.clone() };
        self.record(tx, by, created).await?;
        self.account(tx, &new.id).await
    }

    /// Inserts an account with its places in rooms; puts nothing on record. The caller holds the locks.
    pub(super) async fn insert_new_user(&self, tx: &mut Transaction, new: &NewUser, by: &AuditContext) -> Step<()> {
        if self.is_taken(tx, doc! { "username": &new.username }).await? {
            return Err(StoreError::AlreadyExists(Unique::Username).into());
        }
        self.require_free_addresses(tx, new).await?;
        if let Some(unknown) = self.first_unknown_role(tx, &new.roles).await? {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        let document = documents::user_document(new, by.at);
        let written = self.users().insert_one(document).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        if new.join_default_rooms {
            let summary =
                UserSummary { id: new.id.clone(), username: new.username.clone(), name: Some(new.name.clone()) };
            self.join_default_rooms(tx, &summary, by).await?;
        }
        Ok(())
    }

    async fn require_free_addresses(&self, tx: &mut Transaction, new: &NewUser) -> Step<()> {
        for (index, email) in new.emails.iter().enumerate() {
            let lower = email.address.to_lowercase();
            let twice = new.emails.iter().take(index).any(|other| other.address.to_lowercase() == lower);
            if twice || self.is_taken(tx, doc! { "emails.address": &email.address }).await? {
                return Err(StoreError::AlreadyExists(Unique::EmailAddress).into());
            }
        }
        Ok(())
    }

    /// Whether an account matches without regard to case.
    async fn is_taken(&self, tx: &mut Transaction, filter: Document) -> Step<bool> {
        let users = self.users();
        let find = users.find_one(filter).collation(ignore_case()).projection(doc! { "_id": 1 });
        Ok(find.session(&mut tx.session).await?.is_some())
    }
}
