//! Searching the collections for what is wrong: one pipeline each, run by the server, in the order of a key after which a
//! search can go on. Documents are those of any Rocket.Chat: a list of roles may be missing or null, and accounts and
//! rooms may be of kinds that are not known here. Repairs are in `repair`.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc};
use tokio::runtime::Handle;

use super::error::store_error;
use super::holders::signed;
use super::indexes::{ORGANIZATION_MEMBERS, ORGANIZATION_ROLES, ORGANIZATIONS, ROOMS, SUBSCRIPTIONS, USERS};
use super::invariants::acting;
use super::transaction::transact;
use super::values::{text, texts};
use super::{MongoStore, connect, documents, ignore_case, indexes, repair};
use crate::clock::Ids;
use crate::domain::audit::AuditContext;
use crate::domain::audit_chain::Sealer;
use crate::domain::finding::{Check, Finding, Parent};
use crate::domain::ids::{OrganizationId, RoleId, RoomId, UserId};
use crate::domain::permission::ACCESS_PERMISSIONS;
use crate::domain::recovery::{Recovery, RecoveryRefusal, RecoveryState, RecoveryStep};
use crate::domain::role::{ADMIN, DEFAULT_ROLES, OWNER};
use crate::domain::system_role::{self, SYSTEM_ROLES};
use crate::domain::user::KIND_APP;
use crate::store::{CheckStore, Found, Result};

/// What these questions are called where the server notes them: they read everything, as nothing else here does.
const EXAMINATION: &str = "rolekeeper examination";

/// What becomes of collections that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collections {
    /// They stay missing: nothing is written at all.
    AsTheyAre,
    /// They are made, without indexes, so that changes can be made inside of transactions.
    Made,
}

impl MongoStore {
    /// Connects without making indexes: some cannot be made as long as names are not unique, and a workspace like that is
    /// just what is to be examined.
    ///
    /// # Errors
    /// As [`MongoStore::connect`], but for indexes.
    pub async fn connect_to_check(url: &str, ids: Arc<dyn Ids>, collections: Collections) -> Result<Self> {
        let (client, database, place) = connect::open(url).await?;
        if collections == Collections::Made {
            indexes::make_collections(&database).await?;
        }
        Ok(Self {
            client,
            database,
            ids,
            sharded: connect::is_cluster(&place),
            place: place.into(),
            queues: Arc::default(),
            sealer: Sealer::default(),
            sealing: Arc::default(),
            feed: Arc::default(),
            heart: Arc::default(),
            home: Handle::current(),
            #[cfg(feature = "fault-injection")]
            role_locks: true,
        })
    }
}

#[async_trait]
impl CheckStore for MongoStore {
    async fn incomplete_roles(&self) -> Result<Vec<Finding>> {
        let roles = self.roles();
        let find = roles.find(repair::incomplete()).sort(doc! { "_id": 1 }).comment(EXAMINATION);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let lacking = |role: &Document| Finding::IncompleteRole {
            role: RoleId::from_stored(text(role, "_id").unwrap_or_default()),
            fields: repair::lacking(role).into_iter().map(str::to_owned).collect(),
        };
        Ok(found.iter().map(lacking).collect())
    }

    async fn find(&self, check: Check, after: Option<&str>, limit: u64) -> Result<Found> {
        let after = after.unwrap_or_default();
        match check {
            Check::RolesOfAccounts | Check::RolesOfMemberships => self.unknown_roles(check, after, limit).await,
            Check::Locks => self.stray_locks(after, limit).await,
            Check::Administration => self.administration().await,
            check => self.search(check, after, limit).await,
        }
    }

    async fn repair(&self, finding: &Finding, by: &AuditContext) -> Result<bool> {
        transact!(self, tx => self.repair_in(&mut tx, finding, by))
    }

    async fn recovery_state(&self, username: &str) -> Result<RecoveryState> {
        transact!(self, tx => self.recovery_state_in(&mut tx, username))
    }

    async fn recover_administrator(
        &self,
        recovery: &Recovery,
        by: &AuditContext,
    ) -> Result<Result<Vec<RecoveryStep>, RecoveryRefusal>> {
        transact!(self, tx => self.recover_in(&mut tx, recovery, by))
    }
}

impl MongoStore {
    /// Every role that a list may have.
    async fn holdable(&self) -> Result<Vec<String>> {
        let found = self.find(&self.roles(), Document::new(), doc! { "_id": 1 }, Document::new()).await?;
        let stored = found.iter().filter_map(|role| text(role, "_id"));
        Ok(stored.chain(DEFAULT_ROLES.map(|role| role.id.to_owned())).collect())
    }

    async fn unknown_roles(&self, check: Check, after: &str, limit: u64) -> Result<Found> {
        let known = self.holdable().await?;
        let unknown = doc! { "$nin": &known, "$type": "string" };
        let filter = doc! { "_id": { "$gt": after }, "roles": { "$elemMatch": unknown } };
        let collection = if check == Check::RolesOfAccounts { self.users() } else { self.subscriptions() };
        let projection = doc! { "rid": 1, "u._id": 1, "roles": 1 };
        let find = collection.find(filter).projection(projection).sort(doc! { "_id": 1 }).limit(signed(limit));
        let find = find.comment(EXAMINATION);
        let found: Vec<Document> = find.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let finding = |document: &Document| {
            let roles = texts(document, "roles").unwrap_or_default().into_iter().filter(|role| !known.contains(role));
            let (id, roles) = (key(document), roles.map(RoleId::from_stored).collect());
            match check {
                Check::RolesOfAccounts => Finding::UnknownRolesOfAccount { user: UserId::from_stored(id), roles },
                _ => {
                    let (room, user) = (room(document, "rid"), member(document));
                    Finding::UnknownRolesOfMembership { subscription: id, room, user, roles }
                }
            }
        };
        Ok(page(&found, limit, finding))
    }

    async fn search(&self, check: Check, after: &str, limit: u64) -> Result<Found> {
        let (collection, mut pipeline) = self.question(check, after);
        pipeline.push(doc! { "$limit": signed(limit) });
        let mut aggregate = collection.aggregate(pipeline).allow_disk_use(true).comment(EXAMINATION);
        if matches!(check, Check::Usernames | Check::Addresses | Check::RoomNames | Check::OrganizationRoleNames) {
            aggregate = aggregate.collation(ignore_case());
        }
        let found: Vec<Document> = aggregate.await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        Ok(page(&found, limit, |document| finding(check, document)))
    }

    fn question(&self, check: Check, after: &str) -> (Collection<Document>, Vec<Document>) {
        match check {
            Check::RolesOfMembers => (self.organization_members(), roles_of_members(after)),
            Check::Memberships => (self.subscriptions(), memberships(after)),
            Check::Members => (self.organization_members(), members(after)),
            Check::OrganizationRoles => (self.organization_roles(), organization_roles(after)),
            Check::Tokens => (self.users(), tokens(after)),
            Check::Addresses => (self.users(), addresses(after)),
            Check::RoomNames => (self.rooms(), same_names(after, doc! { "t": { "$in": ["c", "p"] } }, "name")),
            Check::OrganizationRoleNames => (self.organization_roles(), organization_role_names(after)),
            Check::OrganizationOwners => (self.organizations(), organization_owners(after)),
            Check::RoomOwners => (self.rooms(), room_owners(after)),
            _ => (self.users(), same_names(after, Document::new(), "username")),
        }
    }

    async fn administration(&self) -> Result<Found> {
        let access =
            self.find_one(&self.permissions(), doc! { "_id": ACCESS_PERMISSIONS }, doc! { "roles": 1 }).await?;
        let access = access.and_then(|permission| texts(&permission, "roles")).unwrap_or_default();
        let mut findings = Vec::new();
        for (roles, finding) in
            [(vec![ADMIN.to_owned()], Finding::NoAdministrator), (access, Finding::NobodyAdministersPermissions)]
        {
            let mut holding = acting();
            holding.insert("roles", doc! { "$in": roles });
            if self.find_one(&self.users(), holding, doc! { "_id": 1 }).await?.is_none() {
                findings.push(finding);
            }
        }
        Ok(Found { findings, next: None })
    }

    /// A page of locks, and which of them are of something that is not there.
    async fn stray_locks(&self, after: &str, limit: u64) -> Result<Found> {
        let locks = self.locks();
        let order = doc! { "_id": 1 };
        let find = locks.find(doc! { "_id": { "$gt": after } }).projection(order.clone()).sort(order);
        let found: Vec<Document> =
            find.limit(signed(limit)).await.map_err(store_error)?.try_collect().await.map_err(store_error)?;
        let keys: Vec<String> = found.iter().filter_map(|lock| text(lock, "_id")).collect();
        let mut findings = Vec::new();
        for kind in repair::LOCKED {
            let of_kind = |lock: &String| Some(lock.strip_prefix(kind)?.strip_prefix(':')?.to_owned());
            let ids: Vec<String> = keys.iter().filter_map(of_kind).collect();
            let there = self.database.collection(repair::collection_of(kind));
            let there = self.find(&there, doc! { "_id": { "$in": &ids } }, doc! { "_id": 1 }, Document::new()).await?;
            let there: HashSet<String> = there.iter().filter_map(|document| text(document, "_id")).collect();
            let gone = ids.into_iter().filter(|id| !there.contains(id));
            findings.extend(gone.map(|id| Finding::StrayLock { lock: format!("{kind}:{id}") }));
        }
        let next = if found.len() as u64 == limit { keys.last().cloned() } else { None };
        Ok(Found { findings, next })
    }
}

fn page(found: &[Document], limit: u64, finding: impl Fn(&Document) -> Finding) -> Found {
    let next = if found.len() as u64 == limit { found.last().map(key) } else { None };
    Found { findings: found.iter().map(finding).collect(), next }
}

fn key(document: &Document) -> String {
    text(document, "_id").unwrap_or_default()
}

fn room(document: &Document, field: &str) -> RoomId {
    RoomId::from_stored(text(document, field).unwrap_or_default())
}

fn member(subscription: &Document) -> UserId {
    let member = subscription.get_document("u").ok().and_then(|member| text(member, "_id"));
    UserId::from_stored(member.unwrap_or_default())
}

fn organization(document: &Document, field: &str) -> OrganizationId {
    OrganizationId::from_stored(text(document, field).unwrap_or_default())
}

fn same<T>(document: &Document, id: impl Fn(String) -> T) -> Vec<T> {
    let mut same = texts(document, "same").unwrap_or_default();
    same.sort_unstable();
    same.into_iter().map(id).collect()
}

fn is_empty(document: &Document, field: &str) -> bool {
    document.get_array(field).is_ok_and(Vec::is_empty)
}

/// What a document that a pipeline gave says.
fn finding(check: Check, document: &Document) -> Finding {
    let id = key(document);
    let user = || UserId::from_stored(text(document, "user").unwrap_or_default());
    match check {
        Check::RolesOfMembers => Finding::UnknownRolesOfMember {
            organization: organization(document, "organization"),
            user: user(),
            roles: documents::role_ids(document, "unknown").unwrap_or_default(),
        },
        Check::Memberships => Finding::StrayMembership {
            subscription: id,
            room: room(document, "rid"),
            user: member(document),
            missing: if is_empty(document, "room") { Parent::Room } else { Parent::Account },
        },
        Check::Members => Finding::StrayMember {
            organization: organization(document, "organization"),
            user: user(),
            missing: if is_empty(document, "place") { Parent::Organization } else { Parent::Account },
        },
        Check::OrganizationRoles => Finding::StrayOrganizationRole {
            organization: organization(document, "organization"),
            role: RoleId::from_stored(id),
        },
        Check::Tokens => Finding::TokensOfDeactivated { user: UserId::from_stored(id) },
        Check::Addresses => Finding::SameAddress { address: id, users: same(document, UserId::from_stored) },
        Check::RoomNames => Finding::SameRoomName { name: id, rooms: same(document, RoomId::from_stored) },
        Check::OrganizationRoleNames => Finding::SameOrganizationRoleName {
            organization: organization(document, "organization"),
            name: text(document, "name").unwrap_or_default(),
            roles: same(document, RoleId::from_stored),
        },
        Check::OrganizationOwners => {
            Finding::OrganizationWithoutOwner { organization: OrganizationId::from_stored(id) }
        }
        Check::RoomOwners => Finding::RoomWithoutOwner { room: RoomId::from_stored(id) },
        _ => Finding::SameUsername { username: id, users: same(document, UserId::from_stored) },
    }
}

/// Documents after a key, in order, of which those fields are known.
fn in_order(after: &str, fields: Document) -> [Document; 2] {
    let mut filter = doc! { "_id": { "$gt": after } };
    filter.extend(fields);
    [doc! { "$match": filter }, doc! { "$sort": { "_id": 1 } }]
}

/// The documents of another collection whose id a field has; of them nothing but the id.
fn parents(collection: &str, field: &str, name: &str) -> [Document; 2] {
    let found = doc! { "from": collection, "localField": field, "foreignField": "_id", "as": name };
    [doc! { "$lookup": found }, doc! { "$set": { name: format!("${name}._id") } }]
}

fn roles_of_members(after: &str) -> Vec<Document> {
    let own = doc! { "$filter": { "input": "$own", "cond": { "$eq": ["$$this.organization", "$organization"] } } };
    let own = doc! { "$map": { "input": own, "in": "$$this._id" } };
    let system: Vec<&str> = SYSTEM_ROLES.iter().map(|role| role.id).collect();
    let held = doc! { "$ifNull": ["$roles.role", []] };
    let unknown = doc! { "$setDifference": [held, { "$concatArrays": [own, system] }] };
    let mut stages = in_order(after, Document::new()).to_vec();
    stages.extend([
        doc! { "$lookup": {
            "from": ORGANIZATION_ROLES, "localField": "roles.role", "foreignField": "_id", "as": "own",
        } },
        doc! { "$project": { "organization": 1, "user": 1, "unknown": unknown } },
        doc! { "$match": { "unknown.0": { "$exists": true } } },
    ]);
    stages
}

fn memberships(after: &str) -> Vec<Document> {
    let text = || doc! { "$type": "string" };
    let mut stages = in_order(after, doc! { "rid": text(), "u._id": text() }).to_vec();
    stages.push(doc! { "$project": { "rid": 1, "u._id": 1 } });
    stages.extend(parents(ROOMS, "rid", "room"));
    stages.extend(parents(USERS, "u._id", "account"));
    stages.push(doc! { "$match": { "$or": [{ "room": { "$size": 0 } }, { "account": { "$size": 0 } }] } });
    stages
}

fn members(after: &str) -> Vec<Document> {
    let mut stages = in_order(after, Document::new()).to_vec();
    stages.push(doc! { "$project": { "organization": 1, "user": 1 } });
    stages.extend(parents(ORGANIZATIONS, "organization", "place"));
    stages.extend(parents(USERS, "user", "account"));
    stages.push(doc! { "$match": { "$or": [{ "place": { "$size": 0 } }, { "account": { "$size": 0 } }] } });
    stages
}

fn organization_roles(after: &str) -> Vec<Document> {
    let mut stages = in_order(after, Document::new()).to_vec();
    stages.push(doc! { "$project": { "organization": 1 } });
    stages.extend(parents(ORGANIZATIONS, "organization", "place"));
    stages.push(doc! { "$match": { "place": { "$size": 0 } } });
    stages
}

fn tokens(after: &str) -> Vec<Document> {
    let deactivated = doc! { "active": false, "services.resume.loginTokens.0": { "$exists": true } };
    let mut stages = in_order(after, deactivated).to_vec();
    stages.push(doc! { "$project": { "_id": 1 } });
    stages
}

/// Values of a field that several documents have, as the collation compares them.
fn same_names(after: &str, mut filter: Document, field: &str) -> Vec<Document> {
    filter.insert(field, doc! { "$type": "string" });
    vec![
        doc! { "$match": filter },
        doc! { "$group": { "_id": format!("${field}"), "same": { "$push": "$_id" } } },
        doc! { "$match": { "same.1": { "$exists": true }, "_id": { "$gt": after } } },
        doc! { "$sort": { "_id": 1 } },
    ]
}

fn addresses(after: &str) -> Vec<Document> {
    vec![
        doc! { "$match": { "emails.address": { "$type": "string" } } },
        doc! { "$project": { "address": "$emails.address" } },
        doc! { "$unwind": "$address" },
        doc! { "$group": { "_id": "$address", "same": { "$addToSet": "$_id" } } },
        doc! { "$match": { "same.1": { "$exists": true }, "_id": { "$gt": after } } },
        doc! { "$sort": { "_id": 1 } },
    ]
}

fn organization_role_names(after: &str) -> Vec<Document> {
    // Ids of organizations all have the same length.
    let place = doc! { "$concat": ["$organization", " ", "$name"] };
    let first = |field: &str| Bson::from(doc! { "$first": format!("${field}") });
    let group = doc! { "_id": place, "organization": first("organization"), "name": first("name"), "same": { "$push": "$_id" } };
    vec![
        doc! { "$group": group },
        doc! { "$match": { "same.1": { "$exists": true }, "_id": { "$gt": after } } },
        doc! { "$sort": { "_id": 1 } },
    ]
}

fn organization_owners(after: &str) -> Vec<Document> {
    let owns = doc! { "$expr": { "$eq": ["$organization", "$$place"] }, "roles.role": system_role::OWNER };
    let acts = doc! { "account": { "$elemMatch": { "active": true, "type": { "$ne": KIND_APP } } } };
    let account = doc! { "from": USERS, "localField": "user", "foreignField": "_id", "as": "account" };
    let owners = vec![
        doc! { "$match": owns },
        doc! { "$lookup": account },
        doc! { "$match": acts },
        doc! { "$limit": 1 },
        doc! { "$project": { "_id": 1 } },
    ];
    let lookup = doc! { "from": ORGANIZATION_MEMBERS, "let": { "place": "$_id" }, "pipeline": owners, "as": "owners" };
    let mut stages = in_order(after, Document::new()).to_vec();
    stages.extend([
        doc! { "$project": { "_id": 1 } },
        doc! { "$lookup": lookup },
        doc! { "$match": { "owners": { "$size": 0 } } },
    ]);
    stages
}

/// Only rooms that somebody made: those that every workspace has are nobody's.
fn room_owners(after: &str) -> Vec<Document> {
    let made = doc! { "t": { "$in": ["c", "p"] }, "u._id": { "$type": "string" } };
    let mut stages = in_order(after, made).to_vec();
    stages.push(doc! { "$project": { "_id": 1 } });
    for (name, mut which) in [("owners", doc! { "roles": OWNER }), ("members", Document::new())] {
        which.insert("$expr", doc! { "$eq": ["$rid", "$$room"] });
        let first = vec![doc! { "$match": which }, doc! { "$limit": 1 }, doc! { "$project": { "_id": 1 } }];
        let lookup = doc! { "from": SUBSCRIPTIONS, "let": { "room": "$_id" }, "pipeline": first, "as": name };
        stages.push(doc! { "$lookup": lookup });
    }
    stages.push(doc! { "$match": { "owners": { "$size": 0 }, "members.0": { "$exists": true } } });
    stages
}
