//! The traits of a backend for the store that keeps facts: what is answered from memory stands under `own`, everything
//! else goes straight to the backend. A change needs nothing here: the backend reports it before it answers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use serde_json::Value;

use super::CachedStore;
use super::pages::Source;
use crate::domain::audit::{AuditContext, AuditEntry};
use crate::domain::audit_chain::{Head, Link, Unsealed};
use crate::domain::ids::{OrganizationId, PermissionId, RoleId, RoleRef, RoomId, UserId};
use crate::domain::login_failure::{AccountKey, FailureCount, Limits, LoginFailure};
use crate::domain::organization::{
    CountedRole, MemberAccount, NewMember, NewOrganization, NewOrganizationRole, Organization, RoleAssignment,
    RoleChange, RoleGift, Standing,
};
use crate::domain::permission::{Grant, Permission, TrashedPermission};
use crate::domain::receipt::{Fingerprint, Found, KeptAnswer, Ticket};
use crate::domain::role::{Assignee, Assignment, NewRole, Role, RoleDefinition, RoleUsage, TrashedRole};
use crate::domain::room::{
    Gone, Member, MemberFilter, MemberOrder, NewRoom, Room, RoomKind, RoomOrder, RoomSelection, Subscription,
};
use crate::domain::room_change::{Archival, Departure, Invited};
use crate::domain::setting::Setting;
use crate::domain::time::Timestamp;
use crate::domain::token::{NewPersonalToken, OtherTokens, PersonalToken, Remembered, TokenHash};
use crate::domain::totp::{BackupCodeHash, TotpSecret};
use crate::domain::user::{Activation, Membership, NewUser, PasswordHash, User};
use crate::domain::user_change::{IdleAccounts, Relinquish, UserPatch};
use crate::domain::user_list::{UserFilter, UserOrder};
use crate::store::organizations::RecordFilter;
use crate::store::{
    AuditStore, Changes, JoinCode, KnownToken, Listing, LoginFailureStore, Order, OrganizationStore, Page, Period,
    PermissionStore, Position, ReceiptStore, Result, RoleStore, RoomChangeStore, RoomMemberStore, RoomStore,
    SecondFactorStore, SettingStore, Store as _, TokenStore, UserChangeStore, UserDirectory, UserStore, UsernameMatch,
};

/// Where lists are read, and whether what is kept of them counts.
macro_rules! source {
    ($cached:ident) => {
        Source {
            store: $cached.inner.as_ref(),
            epochs: &$cached.freshness.epochs,
            live: &|| $cached.freshness.is_live(),
        }
    };
}

/// Implements a trait by handing every method that is listed to the backend, with what it is given and for what it gives.
macro_rules! forwarded {
    (impl $trait:ident {
        $(own { $($own:tt)* })?
        $(fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $output:ty;)*
    }) => {
        #[async_trait]
        impl $trait for CachedStore {
            $($($own)*)?
            $(async fn $name(&self, $($argument: $type),*) -> $output {
                self.inner.$name($($argument),*).await
            })*
        }
    };
}

forwarded! {
    impl RoleStore {
        own {
            async fn list_roles(&self) -> Result<Vec<Role>> {
                Ok(self.roles().await?.all().to_vec())
            }

            async fn list_holders(&self, role: &Role, room: Option<&RoomId>, page: Page) -> Result<Listing<User>> {
                self.pages.list_holders(source!(self), role, room, page).await
            }

            async fn find_role(&self, id: &RoleId) -> Result<Option<Role>> {
                self.role_with_id(id).await
            }

            async fn resolve_role(&self, reference: &RoleRef) -> Result<Option<Role>> {
                self.resolved_role(reference).await
            }
        }
        fn roles_changed_since(since: Timestamp) -> Result<Changes<Role, TrashedRole>>;
        fn create_role(role: NewRole, by: &AuditContext) -> Result<Role>;
        fn update_role(id: &RoleId, wanted: RoleDefinition, by: &AuditContext) -> Result<Role>;
        fn delete_role(id: &RoleId, by: &AuditContext) -> Result<()>;
        fn role_usage(id: &RoleId) -> Result<RoleUsage>;
        fn assign_role(assignment: &Assignment, by: &AuditContext) -> Result<()>;
        fn assign_role_to(assignee: &Assignee, by: &AuditContext) -> Result<()>;
        fn unassign_role(assignment: &Assignment, by: &AuditContext) -> Result<()>;
        fn count_holders(role: &Role, room: Option<&RoomId>) -> Result<u64>;
        fn page_holders(role: &Role, room: Option<&RoomId>, after: Option<&Position>, page: Page) -> Result<Vec<User>>;
        fn list_holders_of_any(roles: &[RoleId]) -> Result<Vec<User>>;
    }
}

forwarded! {
    impl PermissionStore {
        own {
            async fn list_permissions(&self) -> Result<Vec<Permission>> {
                Ok(self.rights().await?.permissions().to_vec())
            }

            async fn find_permission(&self, id: &PermissionId) -> Result<Option<Permission>> {
                Ok(self.rights().await?.permission(id).cloned())
            }
        }
        fn permissions_changed_since(since: Timestamp) -> Result<Changes<Permission, TrashedPermission>>;
        fn update_permissions(grants: Vec<Grant>, by: &AuditContext) -> Result<Vec<Permission>>;
        fn grant_permission(permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()>;
        fn revoke_permission(permission: &PermissionId, role: &RoleId, by: &AuditContext) -> Result<()>;
    }
}

forwarded! {
    impl UserStore {
        fn find_user(id: &UserId) -> Result<Option<User>>;
        fn find_user_by_username(username: &str, matching: UsernameMatch) -> Result<Option<User>>;
        fn find_user_by_email(address: &str) -> Result<Option<User>>;
        fn find_password(id: &UserId) -> Result<Option<PasswordHash>>;
        fn create_user(user: NewUser, by: &AuditContext) -> Result<User>;
        fn create_first_administrator(user: NewUser, by: &AuditContext) -> Result<Option<User>>;
        fn count_people(limit: u64) -> Result<u64>;
        fn set_user_active(id: &UserId, activation: Activation, by: &AuditContext) -> Result<User>;
        fn list_memberships(id: &UserId) -> Result<Vec<Membership>>;
    }
}

forwarded! {
    impl TokenStore {
        own {
            async fn find_token(&self, user: &UserId, hash: &TokenHash) -> Result<Option<KnownToken>> {
                self.known_token(Some(user), hash).await
            }

            async fn find_token_owner(&self, hash: &TokenHash) -> Result<Option<KnownToken>> {
                self.known_token(None, hash).await
            }
        }
        fn add_session_token(user: &UserId, hash: &TokenHash, keep: usize, by: &AuditContext) -> Result<()>;
        fn remove_token(user: &UserId, hash: &TokenHash, by: &AuditContext) -> Result<bool>;
        fn remove_all_tokens(user: &UserId, by: &AuditContext) -> Result<bool>;
        fn remove_other_tokens(user: &UserId, keep: &TokenHash, others: OtherTokens, by: &AuditContext) -> Result<bool>;
        fn list_personal_tokens(user: &UserId) -> Result<Vec<PersonalToken>>;
        fn add_personal_token(user: &UserId, token: NewPersonalToken, most: usize, by: &AuditContext) -> Result<()>;
        fn replace_personal_token(user: &UserId, name: &str, hash: &TokenHash, last_part: &str, by: &AuditContext) -> Result<bool>;
        fn remove_personal_token(user: &UserId, name: &str, by: &AuditContext) -> Result<bool>;
        fn remember_second_factor(user: &UserId, hash: &TokenHash, shown: &Remembered) -> Result<()>;
    }
}

forwarded! {
    impl SecondFactorStore {
        fn find_totp_secret(user: &UserId) -> Result<Option<TotpSecret>>;
        fn use_totp_step(user: &UserId, step: i64, at: Timestamp) -> Result<bool>;
        fn use_backup_code(user: &UserId, code: &BackupCodeHash, by: &AuditContext) -> Result<bool>;
        fn count_second_factor_attempt(user: &UserId, most: u32, millis: i64, at: Timestamp) -> Result<bool>;
        fn forget_second_factor_attempts(user: &UserId) -> Result<()>;
    }
}

forwarded! {
    impl LoginFailureStore {
        fn record_login_failure(failure: &LoginFailure) -> Result<()>;
        fn count_login_failures(account: &AccountKey, address: Option<&str>, limits: Limits, now: Timestamp) -> Result<FailureCount>;
        fn forget_login_failures(account: &AccountKey) -> Result<()>;
    }
}

forwarded! {
    impl RoomStore {
        fn find_room(id: &RoomId) -> Result<Option<Room>>;
        fn find_room_by_name(name: &str) -> Result<Option<Room>>;
        fn find_room_roles(room: &RoomId, user: &UserId) -> Result<Option<Vec<RoleId>>>;
        fn create_room(room: NewRoom, by: &AuditContext) -> Result<Room>;
    }
}

forwarded! {
    impl SettingStore {
        own {
            async fn find_setting(&self, id: &str) -> Result<Option<Value>> {
                Ok(self.find_settings(&[id]).await?.remove(id))
            }

            async fn find_settings(&self, ids: &[&str]) -> Result<BTreeMap<String, Value>> {
                self.stored_settings(ids).await
            }
        }
        fn set_setting(setting: Setting, value: &Value, by: &AuditContext) -> Result<()>;
    }
}

forwarded! {
    impl AuditStore {
        own {
            fn audit_links(&self, scope: &str) -> BoxStream<'_, Result<Link>> {
                self.inner.audit_links(scope)
            }

            fn unsealed_audit_entries(&self) -> BoxStream<'_, Result<Unsealed>> {
                self.inner.unsealed_audit_entries()
            }
        }
        fn page_audit_entries(period: &Period, limit: u64) -> Result<Vec<AuditEntry>>;
        fn next_audit_scope(after: &str) -> Result<Option<String>>;
        fn find_audit_head(scope: &str) -> Result<Option<Head>>;
        fn seal_audit_entries() -> Result<u64>;
        fn list_audit_entries(limit: u64) -> Result<Vec<AuditEntry>>;
    }
}

forwarded! {
    impl OrganizationStore {
        fn find_organization(organization: &OrganizationId) -> Result<Option<Organization>>;
        fn list_organizations(user: &UserId, page: Page) -> Result<Listing<Organization>>;
        fn find_standing(organization: &OrganizationId, user: &UserId) -> Result<Option<Standing>>;
        fn create_organization(new: NewOrganization, order: &Order) -> Result<Organization>;
        fn rename_organization(organization: &OrganizationId, name: &str, order: &Order) -> Result<Organization>;
        fn delete_organization(organization: &OrganizationId, order: &Order) -> Result<()>;
        fn list_organization_roles(organization: &OrganizationId) -> Result<Vec<CountedRole>>;
        fn find_organization_role(organization: &OrganizationId, role: &RoleId) -> Result<Option<CountedRole>>;
        fn create_organization_role(organization: &OrganizationId, new: NewOrganizationRole, order: &Order) -> Result<CountedRole>;
        fn update_organization_role(organization: &OrganizationId, role: &RoleId, change: &RoleChange, order: &Order) -> Result<CountedRole>;
        fn delete_organization_role(organization: &OrganizationId, role: &RoleId, order: &Order) -> Result<()>;
        fn list_organization_members(organization: &OrganizationId, role: Option<&RoleId>, page: Page) -> Result<Listing<MemberAccount>>;
        fn assign_organization_role(organization: &OrganizationId, gift: RoleGift, order: &Order) -> Result<RoleAssignment>;
        fn unassign_organization_role(organization: &OrganizationId, role: &RoleId, user: &UserId, order: &Order) -> Result<()>;
        fn add_organization_member(organization: &OrganizationId, new: NewMember, order: &Order) -> Result<MemberAccount>;
        fn remove_organization_member(organization: &OrganizationId, user: &UserId, order: &Order) -> Result<()>;
        fn list_organization_record(organization: &OrganizationId, filter: &RecordFilter, page: Page) -> Result<Listing<AuditEntry>>;
    }
}

forwarded! {
    impl ReceiptStore {
        fn take_receipt(ticket: &Ticket, request: &Fingerprint, now: Timestamp) -> Result<Found>;
        fn keep_answer(ticket: &Ticket, answer: &KeptAnswer) -> Result<()>;
        fn drop_receipt(ticket: &Ticket) -> Result<()>;
    }
}

forwarded! {
    impl UserChangeStore {
        fn update_user(id: &UserId, patch: UserPatch, by: &AuditContext) -> Result<User>;
        fn delete_user(id: &UserId, relinquish: Relinquish, by: &AuditContext) -> Result<Vec<RoomId>>;
        fn deactivate_idle_users(idle: &IdleAccounts, limit: u64, by: &AuditContext) -> Result<u64>;
    }
}

forwarded! {
    impl UserDirectory {
        own {
            async fn list_users(&self, order: UserOrder, page: Page) -> Result<Listing<User>> {
                self.pages.list_users(source!(self), order, page).await
            }
        }
        fn count_users() -> Result<u64>;
        fn page_users(order: UserOrder, page: Page) -> Result<Vec<User>>;
        fn page_users_after(after: &Position, page: Page) -> Result<Vec<User>>;
        fn find_users(filter: &UserFilter, order: UserOrder, page: Page) -> Result<Listing<User>>;
        fn suggest_users(prefix: &str, except: &[String], sharing_rooms_with: Option<&UserId>, limit: u64) -> Result<Vec<User>>;
    }
}

forwarded! {
    impl RoomChangeStore {
        fn check_join_code(room: &RoomId, code: &str) -> Result<JoinCode>;
        fn find_invited(invited: &Invited) -> Result<Vec<UserId>>;
        fn add_members(room: &RoomId, users: &[UserId], by: &AuditContext) -> Result<Room>;
        fn remove_member(room: &RoomId, user: &UserId, departure: Departure, by: &AuditContext) -> Result<Room>;
        fn delete_room(room: &RoomId, by: &AuditContext) -> Result<()>;
        fn set_room_archived(room: &RoomId, archival: Archival, by: &AuditContext) -> Result<Room>;
        fn rename_room(room: &RoomId, name: &str, by: &AuditContext) -> Result<Room>;
        fn set_room_kind(room: &RoomId, kind: RoomKind, by: &AuditContext) -> Result<Room>;
    }
}

forwarded! {
    impl RoomMemberStore {
        fn list_rooms(rooms: &RoomSelection, order: RoomOrder, page: Page) -> Result<Listing<Room>>;
        fn rooms_of(user: &UserId, since: Option<Timestamp>) -> Result<Changes<Room, Gone>>;
        fn subscriptions_of(user: &UserId, since: Option<Timestamp>) -> Result<Changes<Subscription, Gone>>;
        fn find_subscription(room: &RoomId, user: &UserId) -> Result<Option<Subscription>>;
        fn list_members(room: &RoomId, filter: &MemberFilter, order: MemberOrder, page: Page) -> Result<Listing<Member>>;
        fn list_room_role_holders(room: &RoomId, roles: &[RoleId]) -> Result<Vec<Subscription>>;
        fn take_room_role(room: &RoomId, user: &UserId, role: &RoleId, by: &AuditContext) -> Result<()>;
    }
}
