//! The documents of organizations and receipts, both ways. They are our own: a field that is missing means that somebody
//! else has been at them, and is an error. Rocket.Chat's documents are in `documents`.

use mongodb::bson::{Bson, Document, doc};

use super::values::{date, id, number, text, time};
use crate::domain::capability::{Capabilities, Capability};
use crate::domain::ids::{OrganizationId, RoleId, UserId};
use crate::domain::organization::{HeldRole, Member, Organization, OrganizationRole};
use crate::domain::receipt::{Fingerprint, KeptAnswer, Receipt};
use crate::domain::role::name_key;
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError};

fn missing(field: &str) -> StoreError {
    StoreError::Corrupt(format!("a document of an organization whose {field} cannot be read"))
}

fn text_of(document: &Document, field: &str) -> Result<String> {
    text(document, field).ok_or_else(|| missing(field))
}

fn time_of(document: &Document, field: &str) -> Result<Timestamp> {
    time(document, field).ok_or_else(|| missing(field))
}

fn number_of(document: &Document, field: &str) -> Result<u64> {
    number(document, field).and_then(|number| u64::try_from(number).ok()).ok_or_else(|| missing(field))
}

fn revision(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An organization from its collection.
pub(super) fn organization(document: &Document) -> Result<Organization> {
    Ok(Organization {
        id: OrganizationId::from_stored(id(document, "organization")?),
        name: text_of(document, "name")?,
        revision: number_of(document, "revision")?,
        created_at: time_of(document, "createdAt")?,
        updated_at: time_of(document, "updatedAt")?,
    })
}

/// An organization for its collection.
pub(super) fn organization_document(organization: &Organization) -> Document {
    doc! {
        "_id": organization.id.as_str(),
        "name": &organization.name,
        "revision": revision(organization.revision),
        "createdAt": date(organization.created_at),
        "updatedAt": date(organization.updated_at),
    }
}

/// A custom role from its collection.
pub(super) fn role(document: &Document) -> Result<OrganizationRole> {
    let keys = document.get_array("capabilities").map_err(|_| missing("capabilities"))?;
    let capabilities: Option<Capabilities> = keys.iter().map(|key| Capability::parse(key.as_str()?)).collect();
    Ok(OrganizationRole {
        id: RoleId::from_stored(id(document, "role")?),
        organization: Some(OrganizationId::from_stored(text_of(document, "organization")?)),
        name: text_of(document, "name")?,
        description: text(document, "description"),
        capabilities: capabilities.ok_or_else(|| missing("capabilities"))?,
        revision: number_of(document, "revision")?,
        created_at: time_of(document, "createdAt")?,
        updated_at: time_of(document, "updatedAt")?,
    })
}

/// A custom role for its collection.
pub(super) fn role_document(role: &OrganizationRole) -> Document {
    doc! {
        "_id": role.id.as_str(),
        "organization": role.organization.as_ref().map(OrganizationId::as_str),
        "name": &role.name,
        "nameKey": name_key(&role.name),
        "description": &role.description,
        "capabilities": role.capabilities.iter().map(Capability::key).collect::<Vec<_>>(),
        "revision": revision(role.revision),
        "createdAt": date(role.created_at),
        "updatedAt": date(role.updated_at),
    }
}

/// A membership from its collection.
pub(super) fn member(document: &Document) -> Result<Member> {
    let roles = document.get_array("roles").map_err(|_| missing("roles"))?;
    Ok(Member {
        id: id(document, "member")?.to_owned(),
        organization: OrganizationId::from_stored(text_of(document, "organization")?),
        user: UserId::from_stored(text_of(document, "user")?),
        joined_at: time_of(document, "joinedAt")?,
        roles: roles.iter().map(held_role).collect::<Result<_>>()?,
    })
}

fn held_role(value: &Bson) -> Result<HeldRole> {
    let held = value.as_document().ok_or_else(|| missing("roles"))?;
    Ok(HeldRole {
        id: text_of(held, "id")?,
        role: RoleId::from_stored(text_of(held, "role")?),
        assigned_at: time_of(held, "assignedAt")?,
    })
}

/// A role as a membership holds it.
pub(super) fn held_document(held: &HeldRole) -> Document {
    doc! { "id": &held.id, "role": held.role.as_str(), "assignedAt": date(held.assigned_at) }
}

/// A membership for its collection.
pub(super) fn member_document(member: &Member) -> Document {
    doc! {
        "_id": &member.id,
        "organization": member.organization.as_str(),
        "user": member.user.as_str(),
        "joinedAt": date(member.joined_at),
        "roles": member.roles.iter().map(held_document).collect::<Vec<_>>(),
    }
}

/// A receipt from its collection.
pub(super) fn receipt(document: &Document) -> Result<Receipt> {
    let status = number(document, "status").and_then(|status| u16::try_from(status).ok());
    let answer = status.map(|status| KeptAnswer {
        status,
        etag: text(document, "etag"),
        content_type: text(document, "contentType"),
        body: text(document, "body").unwrap_or_default(),
    });
    Ok(Receipt {
        request: Fingerprint::from_stored(text_of(document, "request")?),
        run: text_of(document, "run")?,
        started_at: time_of(document, "startedAt")?,
        answer,
    })
}

/// The fields of a receipt that hold its answer.
pub(super) fn answer_document(answer: &KeptAnswer) -> Document {
    doc! {
        "status": i32::from(answer.status),
        "etag": &answer.etag,
        "contentType": &answer.content_type,
        "body": &answer.body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::organization::{NewMember, NewOrganizationRole};
    use crate::domain::system_role::OWNER;

    const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

    #[test]
    fn what_is_written_is_read_back() {
        let id = OrganizationId::from_stored("org_1");
        let made = Organization { id: id.clone(), name: "Acme".into(), revision: 3, created_at: AT, updated_at: AT };
        assert_eq!(organization(&organization_document(&made)).unwrap(), made);
        for description in [None, Some("Hires".to_owned())] {
            let new = NewOrganizationRole {
                id: RoleId::from_stored("role_1"),
                name: "Recruiter".into(),
                description,
                capabilities: [Capability::InviteUsers, Capability::ManageUsers].into_iter().collect(),
            };
            let custom = new.into_role(id.clone(), AT);
            assert_eq!(role(&role_document(&custom)).unwrap(), custom);
        }
        let new = NewMember { id: "orguser_1".into(), user: UserId::from_stored("u"), assignment: "urol_1".into() };
        let owner = new.into_member(id, OWNER, AT);
        assert_eq!(member(&member_document(&owner)).unwrap(), owner);
    }

    #[test]
    fn a_document_that_somebody_else_has_changed_is_corrupt() {
        for document in [doc! {}, doc! { "_id": "org_1", "name": 7 }] {
            assert!(matches!(organization(&document), Err(StoreError::Corrupt(_))));
        }
        let strange = doc! { "_id": "role_1", "capabilities": ["rule_the_world"] };
        assert!(matches!(role(&strange), Err(StoreError::Corrupt(_))));
    }
}
