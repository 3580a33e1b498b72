//! The way back in for an administrator. Which steps it takes is said by `domain::recovery`.

use mongodb::bson::{Document, doc};

use super::error::Step;
use super::locks::Lock;
use super::transaction::Transaction;
use super::values::date;
use super::{MongoStore, documents, ignore_case};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{PermissionId, RoleId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryState, RecoveryStep};
use crate::domain::role::ADMIN;
use crate::domain::user::{PasswordHash, User};

impl MongoStore {
    pub(super) async fn recovery_state_in(&self, tx: &mut Transaction, username: &str) -> Step<RecoveryState> {
        let access = doc! { "_id": ACCESS_PERMISSIONS };
        let access = tx.find_one(&self.permissions(), access, Document::new()).await?;
        Ok(RecoveryState {
            roles: self.all_roles(tx).await?,
            access: access.as_ref().map(documents::permission).transpose()?,
            account: self.account_called(tx, username).await?,
        })
    }

    /// The account with exactly that username, or else the only one without regard to case.
    async fn account_called(&self, tx: &mut Transaction, username: &str) -> Step<Option<User>> {
        let (filter, projection) = (doc! { "username": username }, documents::user_projection());
        if let Some(exact) = tx.find_one(&self.users(), filter.clone(), projection.clone()).await? {
            return Ok(Some(documents::user(&exact)?));
        }
        let users = self.users();
        let find = users.find(filter).projection(projection).collation(ignore_case()).limit(2);
        let mut cursor = find.session(&mut tx.session).await?;
        let mut found = Vec::new();
        while let Some(user) = cursor.next(&mut tx.session).await {
            found.push(user?);
        }
        Ok(match found.as_slice() {
            [user] => Some(documents::user(user)?),
            _ => None,
        })
    }

    pub(super) async fn recover_in(
        &self,
        tx: &mut Transaction,
        recovery: &Recovery,
        by: &AuditContext,
    ) -> Step<Result<Vec<RecoveryStep>, RecoveryRefusal>> {
        for lock in [Lock::Administration, Lock::role_name(ADMIN), Lock::UserNames] {
            self.lock(tx, &lock).await?;
        }
        let state = self.recovery_state_in(tx, &recovery.username).await?;
        let steps = match recovery.plan(&state) {
            Ok(steps) => steps,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let new = recovery.create.as_ref().filter(|_| steps.contains(&RecoveryStep::CreateAccount));
        let (user, username) = match (&state.account, new) {
            (Some(account), _) => (account.id.clone(), account.username.clone()),
            (None, Some(new)) => (new.id.clone(), Some(new.username.clone())),
            (None, None) => return Ok(Err(RecoveryRefusal::NoSuchAccount)),
        };
        for step in &steps {
            self.carry_out(tx, *step, &user, recovery, by).await?;
        }
        if !steps.is_empty() {
            let username = username.unwrap_or_default();
            self.record(tx, by, Change::AdministratorRecovered { user, username, steps: steps.clone() }).await?;
        }
        Ok(Ok(steps))
    }

    async fn carry_out(
        &self,
        tx: &mut Transaction,
        step: RecoveryStep,
        user: &UserId,
        recovery: &Recovery,
        by: &AuditContext,
    ) -> Step<()> {
        let access = PermissionId::from_stored(ACCESS_PERMISSIONS);
        let now = date(by.at);
        match step {
            RecoveryStep::RestoreRole => {
                self.insert_built_in(tx, &RoleId::from_stored(ADMIN), by).await?;
            }
            RecoveryStep::RestorePermission => {
                self.insert_defaults(tx, &[access], by).await?;
            }
            RecoveryStep::GrantPermission => {
                let itself = doc! { "_id": access.as_str() };
                // Not `$addToSet`: somebody may have left something else than a list.
                let named = tx.find_one(&self.permissions(), itself.clone(), doc! { "roles": 1 }).await?;
                let mut roles = named.and_then(|named| documents::role_ids(&named, "roles")).unwrap_or_default();
                roles.push(RoleId::from_stored(ADMIN));
                let change = doc! { "$set": { "roles": super::strings(&roles), "_updatedAt": now } };
                self.permissions().update_one(itself, change).session(&mut tx.session).await?;
            }
            RecoveryStep::CreateAccount => {
                if let Some(new) = &recovery.create {
                    self.insert_new_user(tx, new, by).await?;
                }
            }
            RecoveryStep::ActivateAccount => {
                let account = self.account(tx, user).await?;
                self.change_account(tx, user, doc! { "$set": { "active": true, "_updatedAt": now } }).await?;
                self.archive_direct_messages(tx, &account, false).await?;
            }
            RecoveryStep::GiveRole => {
                let mut roles = self.account(tx, user).await?.roles().to_vec();
                roles.push(RoleId::from_stored(ADMIN));
                let set = doc! { "roles": super::strings(&roles), "_updatedAt": now };
                self.change_account(tx, user, doc! { "$set": set }).await?;
            }
            RecoveryStep::SetPassword => {
                self.end_tokens(tx, user).await?;
                let hash = recovery.password.as_ref().map(PasswordHash::expose);
                let change = doc! {
                    "$set": { "services.password.bcrypt": hash, "_updatedAt": now },
                    "$unset": { "services.password.reset": "", "services.password.enroll": "" },
                };
                self.change_account(tx, user, change).await?;
            }
            RecoveryStep::RemoveSecondFactor => {
                self.second_factors().delete_one(doc! { "_id": user.as_str() }).session(&mut tx.session).await?;
                let change = doc! {
                    "$set": { "services.totp": { "enabled": false }, "services.email2fa.enabled": false, "_updatedAt": now },
                };
                self.change_account(tx, user, change).await?;
            }
        }
        Ok(())
    }

    async fn change_account(&self, tx: &mut Transaction, user: &UserId, change: Document) -> Step<()> {
        self.users().update_one(doc! { "_id": user.as_str() }, change).session(&mut tx.session).await?;
        Ok(())
    }
}
