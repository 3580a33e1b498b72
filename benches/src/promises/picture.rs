//! What a store holds, read past the servers: from the tables of the embedded store, from the collections on MongoDB,
//! there what a majority has. What should be there is for the cases to say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::Result;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Collection, Database};
use rolekeeper::app::DATABASE_FILE;
use rolekeeper_bench::place::Place;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

/// Where to read.
#[derive(Clone)]
pub enum Source {
    /// The file of the embedded store.
    File(PathBuf),
    /// The database.
    Database(Database),
}

/// An account.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Whether it may act.
    pub active: bool,
    /// What it holds.
    pub roles: BTreeSet<String>,
}

/// Everything that names a role, and the record.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Roles of the workspace: names by id.
    pub roles: BTreeMap<String, String>,
    /// Accounts by id.
    pub accounts: BTreeMap<String, Account>,
    /// Which roles have each permission.
    pub permissions: BTreeMap<String, BTreeSet<String>>,
    /// Roles that members of rooms have there.
    pub in_rooms: BTreeSet<String>,
    /// Roles that settings name.
    pub in_settings: BTreeSet<String>,
    /// Names of organizations by id.
    pub organizations: BTreeMap<String, String>,
    /// Custom roles of organizations.
    pub organization_roles: BTreeMap<String, String>,
    /// Who has which role of which organization: (organization, account, role).
    pub organization_holders: BTreeSet<(String, String, String)>,
}

impl Picture {
    /// References of roles that are not there; of the permissions only those to roles that `made` says are not the seed's.
    pub fn orphans(&self, made: impl Fn(&str) -> bool) -> Vec<String> {
        let mut orphans = Vec::new();
        let gone = |role: &String| !self.roles.contains_key(role);
        for (id, account) in &self.accounts {
            orphans.extend(account.roles.iter().filter(|role| gone(role)).map(|role| format!("account {id}: {role}")));
        }
        orphans.extend(self.in_rooms.iter().filter(|role| gone(role)).map(|role| format!("a room: {role}")));
        orphans.extend(self.in_settings.iter().filter(|role| gone(role)).map(|role| format!("a setting: {role}")));
        for (id, roles) in &self.permissions {
            let gone = roles.iter().filter(|role| gone(role) && made(role));
            orphans.extend(gone.map(|role| format!("permission {id}: {role}")));
        }
        let of_system = |role: &str| rolekeeper::domain::system_role::SYSTEM_ROLES.iter().any(|known| known.id == role);
        for (organization, account, role) in &self.organization_holders {
            if !of_system(role) && !self.organization_roles.contains_key(role) {
                orphans.push(format!("{organization}, {account}: {role}"));
            }
        }
        orphans
    }

    /// How many accounts that may act hold that role.
    pub fn active_holders(&self, role: &str) -> usize {
        self.accounts.values().filter(|account| account.active && account.roles.contains(role)).count()
    }

    /// Whether somebody can administer permissions.
    pub fn can_be_administered(&self) -> bool {
        let none = BTreeSet::new();
        let roles = self.permissions.get("access-permissions").unwrap_or(&none);
        self.accounts.values().any(|account| account.active && !account.roles.is_disjoint(roles))
    }
}

impl Source {
    /// Of that place.
    pub fn of(place: &Place) -> Result<Self> {
        Ok(match place {
            Place::Folder(folder) => Self::File(folder.path().join(DATABASE_FILE)),
            Place::Database { database, .. } => Self::Database(database.clone()),
        })
    }

    /// Everything.
    pub async fn picture(&self) -> Result<Picture> {
        match self {
            Self::File(file) => from_tables(&open(file)?),
            Self::Database(database) => from_collections(database).await,
        }
    }

    /// Gives a permission to a role past the servers: after what no server may do, nobody is left who could ask one.
    pub async fn grant(&self, permission: &str, role: &str) -> Result<()> {
        match self {
            Self::File(file) => {
                let sql =
                    "INSERT OR IGNORE INTO permission_roles (permission_id, position, role_id) VALUES (?1, 999, ?2)";
                open(file)?.execute(sql, [permission, role])?;
            }
            Self::Database(database) => {
                let permissions = database.collection::<Document>("rocketchat_permissions");
                let change = doc! { "$addToSet": { "roles": role }, "$currentDate": { "_updatedAt": true } };
                permissions.update_one(doc! { "_id": permission }, change).await?;
            }
        }
        Ok(())
    }

    /// The record of changes, oldest first.
    pub async fn record(&self) -> Result<Vec<Value>> {
        let texts = match self {
            Self::File(file) => {
                let entries = rows(&open(file)?, "SELECT entry, id, '' FROM audit ORDER BY seq")?;
                return entries.iter().map(|(entry, ..)| Ok(serde_json::from_str(entry)?)).collect();
            }
            Self::Database(database) => documents(database, "rolekeeper_audit").await?,
        };
        texts.iter().map(|entry| Ok(serde_json::to_value(entry)?)).collect()
    }
}

fn open(file: &PathBuf) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(20))?;
    Ok(connection)
}

fn rows(connection: &Connection, sql: &str) -> Result<Vec<(String, String, String)>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn from_tables(connection: &Connection) -> Result<Picture> {
    // One view of all tables.
    let connection = &*connection.unchecked_transaction()?;
    let pairs = |sql: &str| -> Result<Vec<(String, String)>> {
        Ok(rows(connection, sql)?.into_iter().map(|(one, other, _)| (one, other)).collect())
    };
    let mut picture = Picture {
        roles: pairs("SELECT id, name, '' FROM roles")?.into_iter().collect(),
        in_rooms: pairs("SELECT DISTINCT role_id, '', '' FROM subscription_roles")?
            .into_iter()
            .map(|row| row.0)
            .collect(),
        organizations: pairs("SELECT id, name, '' FROM organizations")?.into_iter().collect(),
        organization_roles: pairs("SELECT id, name, '' FROM organization_roles")?.into_iter().collect(),
        organization_holders: rows(
            connection,
            "SELECT organization_id, user_id, role_id FROM organization_member_roles",
        )?
        .into_iter()
        .collect(),
        ..Picture::default()
    };
    for (id, active) in pairs("SELECT id, CAST(active AS TEXT), '' FROM users")? {
        picture.accounts.insert(id, Account { active: active == "1", roles: BTreeSet::new() });
    }
    for (id, role) in pairs("SELECT user_id, role_id, '' FROM user_roles")? {
        picture.accounts.entry(id).or_default().roles.insert(role);
    }
    for (id, _) in pairs("SELECT id, '', '' FROM permissions")? {
        picture.permissions.insert(id, BTreeSet::new());
    }
    for (id, role) in pairs("SELECT permission_id, role_id, '' FROM permission_roles")? {
        picture.permissions.entry(id).or_default().insert(role);
    }
    for (_, value) in
        pairs("SELECT id, value, '' FROM settings WHERE id = 'Accounts_Registration_Users_Default_Roles'")?
    {
        picture.in_settings.extend(listed(serde_json::from_str::<Value>(&value)?.as_str().unwrap_or_default()));
    }
    Ok(picture)
}

fn listed(roles: &str) -> impl Iterator<Item = String> + '_ {
    roles.split(',').map(str::trim).filter(|role| !role.is_empty()).map(str::to_owned)
}

async fn from_collections(database: &Database) -> Result<Picture> {
    let text = |document: &Document, field: &str| document.get_str(field).unwrap_or_default().to_owned();
    let named = |documents: Vec<Document>| -> BTreeMap<String, String> {
        documents.iter().map(|document| (text(document, "_id"), text(document, "name"))).collect()
    };
    let mut picture = Picture {
        roles: named(documents(database, "rocketchat_roles").await?),
        organizations: named(documents(database, "rolekeeper_organizations").await?),
        organization_roles: named(documents(database, "rolekeeper_organization_roles").await?),
        ..Picture::default()
    };
    for user in documents(database, "users").await? {
        let active = user.get_bool("active").unwrap_or(false);
        picture.accounts.insert(text(&user, "_id"), Account { active, roles: roles(&user).collect() });
    }
    for permission in documents(database, "rocketchat_permissions").await? {
        picture.permissions.insert(text(&permission, "_id"), roles(&permission).collect());
    }
    for member in documents(database, "rocketchat_subscription").await? {
        picture.in_rooms.extend(roles(&member));
    }
    for setting in documents(database, "rocketchat_settings").await? {
        if text(&setting, "_id") == "Accounts_Registration_Users_Default_Roles" {
            picture.in_settings.extend(listed(setting.get_str("value").unwrap_or_default()));
        }
    }
    for member in documents(database, "rolekeeper_organization_members").await? {
        let held = member.get_array("roles").map(Vec::as_slice).unwrap_or_default();
        let holder = |role: &Bson| {
            Some((text(&member, "organization"), text(&member, "user"), text(role.as_document()?, "role")))
        };
        picture.organization_holders.extend(held.iter().filter_map(holder));
    }
    Ok(picture)
}

fn roles(document: &Document) -> impl Iterator<Item = String> + '_ {
    let roles = document.get_array("roles").map(Vec::as_slice).unwrap_or_default();
    roles.iter().filter_map(Bson::as_str).map(str::to_owned)
}

/// What a majority has, as the primary tells it.
async fn documents(database: &Database, collection: &str) -> Result<Vec<Document>> {
    let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
    let options =
        CollectionOptions::builder().selection_criteria(primary).read_concern(ReadConcern::majority()).build();
    let collection: Collection<Document> = database.collection_with_options(collection, options);
    let projection = doc! { "services": 0 };
    Ok(collection.find(doc! {}).projection(projection).await?.try_collect().await?)
}
