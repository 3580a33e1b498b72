//! Changing an account that exists. What it is afterwards is said by `domain::user_change`; only what differs is written,
//! field by field, so that nothing of a foreign document is written again. Deleting one is in `user_deletion`.

use async_trait::async_trait;
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Map, Value};

use super::documents::PERSONAL;
use super::error::{Step, taken};
use super::locks::Lock;
use super::transaction::{Transaction, transact};
use super::users::{UNIQUES, without_repeated_roles};
use super::values::{bson, bson_fields, date};
use super::{MongoStore, ignore_case};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoleId, RoomId, UserId};
use crate::domain::profile::{CUSTOM_FIELDS, PREFERENCES, SETTINGS, is_profile_field};
use crate::domain::user::{Activation, User};
use crate::domain::user_change::{IdleAccounts, Relinquish, SessionsAfter, UserPatch, differences, same_roles};
use crate::store::{Conflict, Result, StoreError, Unique, UserChangeStore};

#[async_trait]
impl UserChangeStore for MongoStore {
    async fn update_user(&self, id: &UserId, mut patch: UserPatch, by: &AuditContext) -> Result<User> {
        if let Some(roles) = &mut patch.roles {
            roles.to = without_repeated_roles(std::mem::take(&mut roles.to));
        }
        transact!(self, tx => self.update_user_in(&mut tx, id, &patch, by))
    }

    async fn delete_user(&self, id: &UserId, relinquish: Relinquish, by: &AuditContext) -> Result<Vec<RoomId>> {
        transact!(self, tx => self.delete_user_in(&mut tx, id, relinquish, by))
    }

    async fn deactivate_idle_users(&self, idle: &IdleAccounts, limit: u64, by: &AuditContext) -> Result<u64> {
        transact!(self, tx => self.deactivate_idle_in(&mut tx, idle, limit, by))
    }
}

/// The roles that a patch gives.
fn given(patch: &UserPatch) -> &[RoleId] {
    patch.roles.as_ref().map(|roles| roles.to.as_slice()).unwrap_or_default()
}

/// Whether the patch switches the account off.
fn deactivates(patch: &UserPatch) -> bool {
    patch.activation.is_some_and(|activation| activation != Activation::Activate)
}

impl MongoStore {
    async fn update_user_in(
        &self,
        tx: &mut Transaction,
        id: &UserId,
        patch: &UserPatch,
        by: &AuditContext,
    ) -> Step<User> {
        self.lock_for(tx, id, patch).await?;
        let before = self.account(tx, id).await?;
        let after = patch.applied(&before, by.at);
        self.may_become(tx, patch, &before, &after).await?;
        if after == before && patch.password.is_none() {
            // A deactivated account has no tokens, whoever left them.
            if deactivates(patch) {
                self.end_tokens(tx, id).await?;
            }
            return Ok(before);
        }
        let relinquished = self.change_activity(tx, patch, &before, &after, by).await?;
        self.write_changes(tx, patch, &before, &after).await?;
        self.carry_over_names(tx, &before, &after, by).await?;
        if !deactivates(patch) {
            self.settle_sessions(tx, id, &patch.sessions).await?;
        }
        let (was, is) = differences(&before, &after);
        let password = patch.password.is_some();
        let change = Change::UserUpdated { user: id.clone(), before: was, after: is, password, relinquished };
        self.record(tx, by, change).await?;
        self.account(tx, id).await
    }

    /// Every lock comes before everything that is read.
    async fn lock_for(&self, tx: &mut Transaction, id: &UserId, patch: &UserPatch) -> Step<()> {
        if patch.roles.is_some() || deactivates(patch) {
            self.lock(tx, &Lock::Administration).await?;
        }
        if patch.username.is_some() || patch.email.is_some() {
            self.lock(tx, &Lock::UserNames).await?;
        }
        if deactivates(patch) {
            self.lock_owned_rooms(tx, id).await?;
            self.lock_owned_organizations(tx, id).await?;
        }
        self.lock_roles(tx, given(patch)).await
    }

    async fn may_become(&self, tx: &mut Transaction, patch: &UserPatch, before: &User, after: &User) -> Step<()> {
        if let Some(roles) = &patch.roles
            && !same_roles(&roles.from, before.roles())
        {
            return Err(Conflict::RolesChanged.into());
        }
        if let Some(username) = &patch.username
            && self.is_anothers(tx, doc! { "username": username }, &before.id).await?
        {
            return Err(StoreError::AlreadyExists(Unique::Username).into());
        }
        if let Some(address) = &patch.email
            && self.is_anothers(tx, doc! { "emails.address": address }, &before.id).await?
        {
            return Err(StoreError::AlreadyExists(Unique::EmailAddress).into());
        }
        if let Some(unknown) = self.first_unknown_role(tx, given(patch)).await? {
            return Err(Conflict::UnknownRole(unknown).into());
        }
        self.may_lose(tx, before, after).await?;
        if before.active && !after.active {
            self.require_other_owners(tx, &before.id).await?;
        }
        Ok(())
    }

    /// Whether another account matches without regard to case.
    async fn is_anothers(&self, tx: &mut Transaction, filter: Document, but: &UserId) -> Step<bool> {
        let users = self.users();
        let find = users.find_one(doc! { "$and": [filter, { "_id": { "$ne": but.as_str() } }] });
        let find = find.collation(ignore_case()).projection(doc! { "_id": 1 });
        Ok(find.session(&mut tx.session).await?.is_some())
    }

    /// What being switched on or off means beside the account's own document; rooms with a new owner.
    async fn change_activity(
        &self,
        tx: &mut Transaction,
        patch: &UserPatch,
        before: &User,
        after: &User,
        by: &AuditContext,
    ) -> Step<Vec<RoomId>> {
        match patch.activation {
            Some(Activation::Activate) if !before.active => {
                self.archive_direct_messages(tx, before, false).await?;
                Ok(Vec::new())
            }
            Some(activation) if before.active && !after.active => self.withdraw(tx, before, activation, by).await,
            Some(Activation::Deactivate | Activation::DeactivateAndRelinquish) => {
                self.end_tokens(tx, &before.id).await?;
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn write_changes(&self, tx: &mut Transaction, patch: &UserPatch, before: &User, after: &User) -> Step<()> {
        let itself = doc! { "_id": before.id.as_str() };
        let stored = tx.find_one(&self.users(), itself.clone(), doc! { CUSTOM_FIELDS: 1, SETTINGS: 1 }).await?;
        let (mut set, mut unset) = (typed_changes(before, after), Document::new());
        for (field, value) in patch.profile.iter().filter(|(field, _)| is_profile_field(field)) {
            match value {
                Value::Null => drop(unset.insert(field, "")),
                value => drop(set.insert(field, bson(value))),
            }
        }
        let stored = stored.unwrap_or_default();
        set_inside(&mut set, stored.get(CUSTOM_FIELDS), CUSTOM_FIELDS, &patch.custom_fields);
        set_preferences(&mut set, &stored, &patch.preferences);
        if let Some(password) = &patch.password {
            set.insert("services.password.bcrypt", password.expose());
            // Links that were sent to set a password end with the one that they were sent for.
            unset.insert("services.password.reset", "");
            unset.insert("services.password.enroll", "");
        }
        let mut change = doc! { "$set": set };
        if !unset.is_empty() {
            change.insert("$unset", unset);
        }
        let written = self.users().update_one(itself, change).session(&mut tx.session).await;
        written.map_err(|error| taken(error, &UNIQUES))?;
        Ok(())
    }

    async fn settle_sessions(&self, tx: &mut Transaction, id: &UserId, sessions: &SessionsAfter) -> Step<()> {
        let kept = match sessions {
            SessionsAfter::Kept => return Ok(()),
            SessionsAfter::Ended => return self.end_tokens(tx, id).await,
            SessionsAfter::OthersEnded(kept) => kept,
        };
        let others = doc! { "hashedToken": { "$ne": kept.expose() }, "type": { "$ne": PERSONAL } };
        let having = doc! { "_id": id.as_str(), "services.resume.loginTokens.0": { "$exists": true } };
        let without = doc! { "$pull": { "services.resume.loginTokens": others } };
        self.users().update_one(having, without).session(&mut tx.session).await?;
        Ok(())
    }

    /// The names of an account stand in its subscriptions, in the rooms it made, and in its direct rooms.
    async fn carry_over_names(&self, tx: &mut Transaction, before: &User, after: &User, by: &AuditContext) -> Step<()> {
        if before.username == after.username && before.name == after.name {
            return Ok(());
        }
        let mut names = Document::new();
        if let Some(username) = &after.username {
            names.insert("u.username", username);
        }
        let mut named = names.clone();
        if let Some(name) = &after.name {
            named.insert("u.name", name);
        }
        named.insert("_updatedAt", date(by.at));
        names.insert("_updatedAt", date(by.at));
        let own = || doc! { "u._id": before.id.as_str() };
        self.subscriptions().update_many(own(), doc! { "$set": named.clone() }).session(&mut tx.session).await?;
        // A room may name its creator without the name that is shown; it is not given one.
        let (mut with_name, mut without_name) = (own(), own());
        with_name.insert("u.name", doc! { "$exists": true });
        without_name.insert("u.name", doc! { "$exists": false });
        self.rooms().update_many(with_name, doc! { "$set": named }).session(&mut tx.session).await?;
        self.rooms().update_many(without_name, doc! { "$set": names }).session(&mut tx.session).await?;
        self.rename_in_direct_rooms(tx, before, after, by).await
    }

    /// A direct room is called after the other one in it.
    async fn rename_in_direct_rooms(
        &self,
        tx: &mut Transaction,
        before: &User,
        after: &User,
        by: &AuditContext,
    ) -> Step<()> {
        let (Some(old), Some(new)) = (&before.username, &after.username) else {
            return Ok(());
        };
        let rooms = self.direct_rooms(tx, &before.id).await?;
        if rooms.is_empty() {
            return Ok(());
        }
        let theirs = doc! { "rid": { "$in": &rooms }, "t": "d", "name": old };
        let shown = after.name.as_ref().unwrap_or(new);
        let called = doc! { "$set": { "name": new, "fname": shown, "_updatedAt": date(by.at) } };
        self.subscriptions().update_many(theirs, called).session(&mut tx.session).await?;
        if old != new {
            let listing = doc! { "_id": { "$in": &rooms }, "usernames": old };
            let renamed = doc! { "$set": { "usernames.$": new, "_updatedAt": date(by.at) } };
            self.rooms().update_many(listing, renamed).session(&mut tx.session).await?;
        }
        Ok(())
    }
}

/// Fields with a type of their own, as far as they differ.
fn typed_changes(before: &User, after: &User) -> Document {
    let mut set = Document::new();
    if let Some(username) = after.username.as_ref().filter(|_| before.username != after.username) {
        set.insert("username", username);
    }
    if let Some(name) = after.name.as_ref().filter(|_| before.name != after.name) {
        set.insert("name", name);
    }
    if before.active != after.active {
        set.insert("active", after.active);
    }
    if before.roles != after.roles {
        set.insert("roles", super::strings(after.roles()));
    }
    if before.emails != after.emails {
        let emails = after.emails.iter().map(|email| doc! { "address": &email.address, "verified": email.verified });
        set.insert("emails", emails.collect::<Vec<_>>());
    }
    if let Some(at) = after.updated_at {
        set.insert("_updatedAt", date(at));
    }
    set
}

/// Sets fields inside of an object, each by itself; the object as a whole where there is none yet.
fn set_inside(set: &mut Document, stored: Option<&Bson>, path: &str, fields: &Map<String, Value>) {
    if fields.is_empty() {
        return;
    }
    if matches!(stored, Some(Bson::Document(_))) {
        set.extend(fields.iter().map(|(field, value)| (format!("{path}.{field}"), bson(value))));
    } else {
        set.insert(path, bson_fields(fields));
    }
}

fn set_preferences(set: &mut Document, stored: &Document, preferences: &Map<String, Value>) {
    if preferences.is_empty() {
        return;
    }
    match stored.get(SETTINGS) {
        Some(Bson::Document(settings)) => {
            set_inside(set, settings.get(PREFERENCES), &format!("{SETTINGS}.{PREFERENCES}"), preferences);
        }
        _ => {
            set.insert(SETTINGS, doc! { PREFERENCES: bson_fields(preferences) });
        }
    }
}
