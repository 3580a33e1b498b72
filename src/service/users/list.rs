//! Finding people among many (contract 9.4): pages of all accounts, suggestions while somebody types a name, and whether
//! a name is still free.

use super::Visibility;
use crate::domain::ids::{RoleId, is_nameable};
use crate::domain::permission::{VIEW_FULL_OTHER_USER_INFO, VIEW_OUTSIDE_ROOM};
use crate::domain::setting::{ALLOW_USERNAME_CHANGE, LIST_NEEDS_OUTSIDE, USERNAME_PATTERN};
use crate::domain::user::User;
use crate::domain::user_list::{SearchTerm, UserFilter, UserOrder};
use crate::service::error::UserRefusal;
use crate::service::{Caller, PageRequest, Result, Services};
use crate::store::{Listing, UsernameMatch};

/// Suggestions at most.
const SUGGESTIONS: u64 = 10;
/// The longest beginning of a name that is looked for.
const MAX_TERM_BYTES: usize = 256;

/// What somebody wants to see of the list of accounts.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// In which order.
    pub order: UserOrder,
    /// Only the account with that address, without regard to case.
    pub email: Option<String>,
    /// Which part.
    pub page: PageRequest,
}

/// Which accounts somebody looks for.
#[derive(Debug, Clone, Default)]
pub struct StatusRequest {
    /// Switched on or off.
    pub active: Option<bool>,
    /// Whether it was ever used.
    pub has_logged_in: Option<bool>,
    /// `user`, `bot`, …
    pub kind: Option<String>,
    /// One of these roles, by id.
    pub roles: Vec<String>,
    /// A part of the username, the name or the address.
    pub term: Option<String>,
    /// In which order.
    pub order: UserOrder,
    /// Which part.
    pub page: PageRequest,
}

/// One page of accounts, and how much of each the caller may see.
pub struct AccountPage {
    /// The accounts, and how many there are in all.
    pub listing: Listing<User>,
    /// How many are passed over.
    pub offset: u64,
    /// How much of those that are not the caller's own.
    pub visibility: Visibility,
}

impl Services {
    /// One page of all accounts.
    ///
    /// # Errors
    /// In this order: `ListingNotAllowed` (people outside of one's rooms, addresses).
    pub async fn list_users(&self, caller: &Caller, request: ListRequest) -> Result<AccountPage> {
        if self.boolean(LIST_NEEDS_OUTSIDE).await? && !self.is_allowed(caller, VIEW_OUTSIDE_ROOM).await? {
            return Err(UserRefusal::ListingNotAllowed.into());
        }
        let full = self.is_allowed(caller, VIEW_FULL_OTHER_USER_INFO).await?;
        let visibility = if full { Visibility::Full } else { Visibility::Everybody };
        let page = self.page(request.page).await?;
        let listing = match &request.email {
            Some(_) if !full => return Err(UserRefusal::ListingNotAllowed.into()),
            Some(email) => {
                let found = self.store.find_user_by_email(email).await?;
                let total = u64::from(found.is_some());
                let shown = page.offset == 0 && page.count != Some(0);
                Listing { items: found.into_iter().filter(|_| shown).collect(), total }
            }
            None if full => self.store.list_users(request.order, page).await?,
            None => self.store.list_users(request.order.visible_to_everybody(), page).await?,
        };
        Ok(AccountPage { listing, offset: page.offset, visibility })
    }

    /// One page of the accounts that are what the caller asks for (`users.listByStatus`). What he may not see of others
    /// he may not look for either.
    ///
    /// # Errors
    /// `ListingNotAllowed` (people outside of one's rooms, roles, log-ins).
    pub async fn list_users_by_status(&self, caller: &Caller, request: StatusRequest) -> Result<AccountPage> {
        if self.boolean(LIST_NEEDS_OUTSIDE).await? && !self.is_allowed(caller, VIEW_OUTSIDE_ROOM).await? {
            return Err(UserRefusal::ListingNotAllowed.into());
        }
        let visibility = self.visibility_of_others(caller).await?;
        let full = visibility >= Visibility::Full;
        if !full && (request.has_logged_in.is_some() || !request.roles.is_empty()) {
            return Err(UserRefusal::ListingNotAllowed.into());
        }
        let term = request.term.filter(|term| !term.is_empty() && term.len() <= MAX_TERM_BYTES);
        let filter = UserFilter {
            active: request.active,
            has_logged_in: request.has_logged_in,
            kind: request.kind,
            roles: request.roles.into_iter().map(RoleId::from_stored).collect(),
            term: term.map(|text| SearchTerm { text, in_addresses: full }),
        };
        let order = if full { request.order } else { request.order.visible_to_everybody() };
        let page = self.page(request.page).await?;
        let listing = self.store.find_users(&filter, order, page).await?;
        Ok(AccountPage { listing, offset: page.offset, visibility })
    }

    /// Active people whose usernames begin with `term`, but for those named. Whoever may not see people outside of his
    /// rooms gets those he shares one with.
    ///
    /// # Errors
    /// What the store says.
    pub async fn suggest_users(&self, caller: &Caller, term: &str, except: &[String]) -> Result<Vec<User>> {
        if term.len() > MAX_TERM_BYTES {
            return Ok(Vec::new());
        }
        let outside = self.is_allowed(caller, VIEW_OUTSIDE_ROOM).await?;
        let near = (!outside).then_some(&caller.user.id);
        Ok(self.store.suggest_users(term, except, near, SUGGESTIONS).await?)
    }

    /// Whether the caller could take the username; his own is free to him. Whoever could not have it anyway (it is
    /// reserved, or no username at all) is told no.
    ///
    /// # Errors
    /// In this order: `FieldRequired`, `FieldNotEditable` when people keep the username they have.
    pub async fn is_username_available(&self, caller: &Caller, username: &str) -> Result<bool> {
        if username.trim().is_empty() {
            return Err(UserRefusal::FieldRequired { field: "Username" }.into());
        }
        if caller.user.username.is_some() && !self.boolean(ALLOW_USERNAME_CHANGE).await? {
            return Err(UserRefusal::FieldNotEditable { field: "username" }.into());
        }
        if caller.user.username.as_deref() == Some(username) {
            return Ok(true);
        }
        let possible = is_nameable(username) && self.matches(USERNAME_PATTERN, username).await?;
        if !possible || self.is_blocked(username).await? {
            return Ok(false);
        }
        let holder = self.store.find_user_by_username(username, UsernameMatch::IgnoreCase).await?;
        Ok(holder.is_none_or(|holder| holder.id == caller.user.id))
    }
}
