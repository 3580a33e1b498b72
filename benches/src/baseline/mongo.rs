//! The statements of single operations on MongoDB, sent straight through the driver: one transaction each, with the
//! locks that keep the promises, the trash and the record, and the same concerns. What the server decides between them is
//! left out. Where the server's store changes its statements, these follow: see `src/store/mongo/roles.rs`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::{
    CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria, TransactionOptions, WriteConcern,
};
use mongodb::{ClientSession, Collection, Database};

/// A database that a server has made ready.
#[derive(Clone)]
pub struct Statements {
    database: Database,
}

fn durable() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = Some(Duration::from_secs(5));
    concern
}

impl Statements {
    /// Of that database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    fn collection(&self, name: &str) -> Collection<Document> {
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let options = CollectionOptions::builder().selection_criteria(primary).read_concern(ReadConcern::majority());
        self.database.collection_with_options(name, options.write_concern(durable()).build())
    }

    async fn begin(&self) -> Result<ClientSession> {
        let mut session = self.database.client().start_session().await?;
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(durable())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        session.start_transaction().with_options(options).await?;
        Ok(session)
    }

    async fn lock(&self, session: &mut ClientSession, role: &str) -> Result<()> {
        let taken = doc! { "$inc": { "taken": 1_i64 } };
        let locks = self.collection("rolekeeper_locks");
        locks.update_one(doc! { "_id": format!("role:{role}") }, taken).upsert(true).session(session).await?;
        Ok(())
    }

    async fn record(&self, session: &mut ClientSession, mut change: Document) -> Result<()> {
        change.insert("_id", ObjectId::new().to_hex());
        change.insert("actor", doc! { "kind": "user", "id": "benchbenchbench12", "username": "admin" });
        change.insert("at", DateTime::now());
        change.insert("request_id", ObjectId::new().to_hex());
        change.insert("address", "127.0.0.1");
        change.insert("sealed", false);
        self.collection("rolekeeper_audit").insert_one(change).session(session).await?;
        Ok(())
    }

    /// Makes roles; their ids.
    pub async fn create_roles(&self, count: usize) -> Result<Vec<String>> {
        let ids: Vec<String> = (0..count).map(|_| ObjectId::new().to_hex()).collect();
        let role = |id: &String| {
            doc! {
                "_id": id,
                "name": format!("bare-{id}"),
                "scope": "Users",
                "description": "",
                "protected": false,
                "mandatory2fa": false,
                "_updatedAt": DateTime::now(),
            }
        };
        self.collection("rocketchat_roles").insert_many(ids.iter().map(role)).await?;
        Ok(ids)
    }

    /// `roles.delete` of a role that nobody holds and nothing names.
    pub async fn delete_role(&self, role: &str) -> Result<()> {
        let (roles, itself) = (self.collection("rocketchat_roles"), doc! { "_id": role });
        let (locks, lock) = (self.collection("rolekeeper_locks"), doc! { "_id": format!("role:{role}") });
        let mut session = self.begin().await?;
        // The lock is taken by removing it; nobody has taken it yet, so it has to be made first.
        locks.delete_one(lock.clone()).session(&mut session).await?;
        self.lock(&mut session, role).await?;
        locks.delete_one(lock).session(&mut session).await?;
        let mut found = roles.aggregate(bonds(role)).session(&mut session).await?;
        let found: Vec<Document> = found.stream(&mut session).try_collect().await?;
        let mut stored = found.first().context("the role is not there")?.get_document("role")?.clone();
        stored.insert("_deletedAt", DateTime::now());
        stored.insert("__collection__", "roles");
        let trash = self.collection("rocketchat__trash");
        trash.replace_one(itself.clone(), stored).upsert(true).session(&mut session).await?;
        roles.delete_one(itself).session(&mut session).await?;
        let gone = doc! { "_id": role, "name": format!("bare-{role}"), "scope": "Users", "description": "" };
        self.record(&mut session, doc! { "action": "role_deleted", "role": gone, "permissions": [] }).await?;
        session.commit_transaction().await?;
        Ok(())
    }

    /// `roles.addUserToRole` for a role of the workspace.
    pub async fn assign_role(&self, username: &str, role: &str) -> Result<()> {
        let (users, roles) = (self.collection("users"), self.collection("rocketchat_roles"));
        let found = users.find_one(doc! { "username": username }).projection(doc! { "services": 0 }).await?;
        let user = found.and_then(|user| Some(user.get_str("_id").ok()?.to_owned())).context("no such account")?;
        let mut session = self.begin().await?;
        self.lock(&mut session, role).await?;
        roles.find_one(doc! { "_id": role }).session(&mut session).await?.context("the role is not there")?;
        let change = doc! { "$addToSet": { "roles": role }, "$set": { "_updatedAt": DateTime::now() } };
        let without = doc! { "_id": &user, "roles": { "$ne": role } };
        let changing = users.find_one_and_update(without, change).projection(doc! { "username": 1 });
        changing.session(&mut session).await?.context("he has the role")?;
        let change = doc! { "action": "role_assigned", "role": role, "user": user, "room": null };
        self.record(&mut session, change).await?;
        session.commit_transaction().await?;
        Ok(())
    }

    /// A page of the holders of a role, without their number.
    pub async fn page(&self, role: &str, count: i64, offset: u64) -> Result<usize> {
        let users = self.collection("users");
        let find = users.find(doc! { "roles": role }).projection(doc! { "services": 0 });
        let page = find.sort(doc! { "username": 1, "_id": 1 }).skip(offset).limit(count).await?;
        self.all(page).await
    }

    async fn all(&self, cursor: mongodb::Cursor<Document>) -> Result<usize> {
        Ok(cursor.try_collect::<Vec<_>>().await?.len())
    }
}

/// The role with whatever names it, in one question.
fn bonds(role: &str) -> Vec<Document> {
    let joined = |from: &str, name: &str, pipeline: [Document; 3]| {
        doc! { "$lookup": { "from": from, "pipeline": pipeline.as_slice(), "as": name } }
    };
    let (having, first) = (doc! { "$match": { "roles": role } }, doc! { "$limit": 1 });
    let (only_id, all) = (doc! { "$project": { "_id": 1 } }, doc! { "$limit": 1_000 });
    let setting = doc! { "$match": { "_id": { "$in": ["Accounts_Registration_Users_Default_Roles"] } } };
    vec![
        doc! { "$match": { "_id": role } },
        doc! { "$project": { "_id": 0, "role": "$$ROOT" } },
        joined("users", "accounts", [having.clone(), first.clone(), only_id.clone()]),
        joined("rocketchat_subscription", "members", [having.clone(), first, only_id.clone()]),
        joined("rocketchat_permissions", "permissions", [having, all.clone(), only_id]),
        joined("rocketchat_settings", "settings", [setting, all, doc! { "$project": { "value": 1 } }]),
    ]
}
