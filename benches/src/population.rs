//! Accounts by the hundred thousand, written straight into a store whose server is not running: the documents and rows
//! that the server itself would have written, with the same indexes to keep.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use mongodb::Database;
use mongodb::bson::{DateTime, Document, doc};
use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use crate::place::Place;

/// Documents in one insertion.
const AT_ONCE: u64 = 5_000;

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct Population {
    /// How many accounts.
    pub users: u64,
    /// Custom roles, and how many of the accounts, from the first on, hold each.
    pub holders: Vec<(String, u64)>,
    /// Whether each account has a session; its token is [`token`].
    pub tokens: bool,
}

/// `_id` of an account.
pub fn user_id(number: u64) -> String {
    format!("bench{number:012}")
}

/// Its username.
pub fn username(number: u64) -> String {
    format!("user{number:08}")
}

/// The text of its token.
pub fn token(number: u64) -> String {
    format!("token-of-the-bench-number-{number:017}")
}

fn token_hash(number: u64) -> String {
    STANDARD.encode(Sha256::digest(token(number).as_bytes()))
}

impl Population {
    /// Writes it; `roles` are the ids of `holders`, in their order.
    pub async fn write(&self, place: &Place, roles: &[String]) -> Result<()> {
        if self.users == 0 {
            return Ok(());
        }
        let now = DateTime::now();
        match place {
            Place::Database { database, .. } => self.write_documents(database, roles, now).await,
            Place::Folder(_) => {
                let (this, roles, connection) = (self.clone(), roles.to_vec(), place.connection()?);
                tokio::task::spawn_blocking(move || this.write_rows(&connection, &roles, now.timestamp_millis()))
                    .await?
            }
        }
    }

    fn roles_of<'a>(&'a self, number: u64, roles: &'a [String]) -> impl Iterator<Item = &'a str> {
        let held = self.holders.iter().zip(roles).filter(move |((_, holders), _)| number < *holders);
        std::iter::once("user").chain(held.map(|(_, id)| id.as_str()))
    }

    async fn write_documents(&self, database: &Database, roles: &[String], now: DateTime) -> Result<()> {
        let users = &database.collection::<Document>("users");
        let batches = stream::iter((0..self.users).step_by(AT_ONCE as usize));
        let written = batches.map(|first| async move {
            let numbers = first..self.users.min(first + AT_ONCE);
            let documents: Vec<Document> = numbers.map(|number| self.document(number, roles, now)).collect();
            users.insert_many(documents).ordered(false).await.map(drop)
        });
        written.buffer_unordered(2).try_collect::<()>().await?;
        Ok(())
    }

    fn document(&self, number: u64, roles: &[String], now: DateTime) -> Document {
        let mut services = doc! { "password": { "bcrypt": "-" } };
        if self.tokens {
            let token = doc! { "when": now, "hashedToken": token_hash(number) };
            services.insert("resume", doc! { "loginTokens": [token] });
        }
        doc! {
            "_id": user_id(number),
            "createdAt": now,
            "username": username(number),
            "name": format!("Somebody {number}"),
            "type": "user",
            "active": true,
            "roles": self.roles_of(number, roles).collect::<Vec<_>>(),
            "_updatedAt": now,
            "emails": [{ "address": format!("{}@example.org", username(number)), "verified": true }],
            "services": services,
        }
    }

    fn write_rows(&self, connection: &Connection, roles: &[String], now: i64) -> Result<()> {
        let transaction = connection.unchecked_transaction()?;
        let mut user = transaction.prepare(
            "INSERT INTO users (id, username, username_key, name, kind, active, password_bcrypt, created_at, updated_at, \
             profile) VALUES (?1, ?2, ?2, ?3, 'user', 1, '-', ?4, ?4, '{}')",
        )?;
        let mut role =
            transaction.prepare("INSERT INTO user_roles (user_id, position, role_id) VALUES (?1, ?2, ?3)")?;
        let mut email = transaction.prepare(
            "INSERT INTO user_emails (user_id, position, address, address_key, verified) VALUES (?1, 0, ?2, ?2, 1)",
        )?;
        let mut session = transaction
            .prepare("INSERT INTO login_tokens (hash, user_id, personal, issued_at) VALUES (?1, ?2, 0, ?3)")?;
        for number in 0..self.users {
            let (id, name) = (user_id(number), username(number));
            user.execute(params![id, name, format!("Somebody {number}"), now])?;
            email.execute(params![id, format!("{name}@example.org")])?;
            for (position, held) in self.roles_of(number, roles).enumerate() {
                role.execute(params![id, position as i64, held])?;
            }
            if self.tokens {
                session.execute(params![token_hash(number), id, now])?;
            }
        }
        drop((user, role, email, session));
        transaction.commit()?;
        Ok(())
    }
}
