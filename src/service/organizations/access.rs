//! Who comes in on the surface of organizations, and how far: the token alone says who he is, his membership what he may.
//! A use case takes a [`Seat`], and this is the only place that gives one out.

use crate::domain::capability::Capabilities;
use crate::domain::ids::OrganizationId;
use crate::domain::organization::{Need, Standing};
use crate::domain::token::TokenText;
use crate::service::error::OrganizationRefusal;
use crate::service::{Caller, Origin, Result, Services};

use super::inner_user_id;

/// A member's place in an organization, as it was when the request came in, after it was found enough.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Where.
    pub organization: OrganizationId,
    standing: Standing,
}

impl Seat {
    /// What the member can do.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.standing.capabilities
    }
}

impl Services {
    /// Finds out whose token it is. The same tokens count as on the workspace's own surface, as long and as far.
    ///
    /// # Errors
    /// `TokenInvalid` for a token that nobody has and for one of a deactivated account; `TokenExpired`.
    pub async fn authenticate_bearer(&self, token: &TokenText, origin: Origin) -> Result<Caller> {
        let found = self.store.find_token_owner(&token.hash()).await?;
        let (user, token) = found.ok_or(OrganizationRefusal::TokenInvalid)?;
        if !user.active {
            return Err(OrganizationRefusal::TokenInvalid.into());
        }
        if !self.is_live(&token).await? {
            return Err(OrganizationRefusal::TokenExpired.into());
        }
        Ok(Caller { user, token, origin, receipt: None })
    }

    /// Lets somebody do what takes a permission of the workspace.
    ///
    /// # Errors
    /// `Insufficient`.
    pub async fn require_permission(&self, caller: &Caller, permission: &'static str) -> Result<()> {
        if self.is_allowed(caller, permission).await? { Ok(()) } else { Err(lacking(permission)) }
    }

    /// Lets a member in who has what is needed. `about` is whom the request is about, as this surface calls him.
    ///
    /// # Errors
    /// In this order: `NotFound` when there is no such organization or the caller is not a member of it; `Insufficient`.
    pub async fn take_seat(
        &self,
        caller: &Caller,
        organization: &str,
        need: Need,
        about: Option<&str>,
    ) -> Result<Seat> {
        let organization = OrganizationId::parse(organization).map_err(|_| OrganizationRefusal::NotFound)?;
        let standing = self.store.find_standing(&organization, &caller.user.id).await?;
        let standing = standing.ok_or(OrganizationRefusal::NotFound)?;
        let about = about.and_then(inner_user_id);
        need.check(&standing, about.as_ref()).map_err(lacking)?;
        Ok(Seat { organization, standing })
    }
}

fn lacking(what: &'static str) -> crate::service::ServiceError {
    OrganizationRefusal::Insufficient { required: vec![what], missing: vec![what] }.into()
}
