//! Deleting an account with everything that is its own. Whatever goes is copied to the trash first (contract 6.1).

use std::collections::HashMap;

use mongodb::bson::{Document, doc};

use super::MongoStore;
use super::error::Step;
use super::invariants::ownership;
use super::locks::Lock;
use super::transaction::Transaction;
use super::trash::{ROOMS, SUBSCRIPTIONS, USERS};
use super::values::{date, number, text};
use crate::domain::audit::{AuditContext, Change};
use crate::domain::ids::{RoomId, UserId};
use crate::domain::user::User;
use crate::domain::user_change::{Bequest, Relinquish};
use crate::store::Conflict;

/// A direct room of so many is nobody's without one of them.
const PAIR: i64 = 2;

impl MongoStore {
    pub(super) async fn delete_user_in(
        &self,
        tx: &mut Transaction,
        id: &UserId,
        relinquish: Relinquish,
        by: &AuditContext,
    ) -> Step<Vec<RoomId>> {
        self.lock(tx, &Lock::Administration).await?;
        self.lock_owned_rooms(tx, id).await?;
        self.lock_owned_organizations(tx, id).await?;
        let user = self.account(tx, id).await?;
        if user.active {
            self.may_be_spared(tx, &user).await?;
        }
        let Bequest { relinquished, deleted } = self.hand_over(tx, id, relinquish, by).await?;
        let mut gone = strs(&deleted);
        gone.extend(self.leave_direct_rooms(tx, &user, by).await?);
        // Before its rooms, so that the copy still names them.
        self.discard(tx, &self.users(), USERS, doc! { "_id": id.as_str() }, by).await?;
        self.remove_rooms(tx, &gone, by).await?;
        self.leave_rooms(tx, id, by).await?;
        self.leave_organizations(tx, id, by).await?;
        let change = Change::UserDeleted {
            user: id.clone(),
            username: user.username.clone(),
            roles: user.roles().to_vec(),
            relinquished,
            deleted_rooms: deleted.clone(),
        };
        self.record(tx, by, change).await?;
        Ok(deleted)
    }

    /// Finds an owner for each room that would be without one, and says which rooms go instead.
    async fn hand_over(
        &self,
        tx: &mut Transaction,
        id: &UserId,
        relinquish: Relinquish,
        by: &AuditContext,
    ) -> Step<Bequest> {
        let rooms = self.sole_rooms(tx, id).await?;
        if relinquish == Relinquish::Refuse && !rooms.is_empty() {
            return Err(Conflict::SoleOwner(ownership(&rooms)).into());
        }
        let mut bequest = Bequest::default();
        for room in rooms {
            let room_id = RoomId::from_stored(&room.id);
            match room.successor {
                Some(successor) => {
                    self.make_owner(tx, &successor, by).await?;
                    bequest.relinquished.push(room_id);
                }
                // New accounts join it; it does not go with one of them.
                None if tx.exists(&self.rooms(), doc! { "_id": &room.id, "default": true }).await? => {}
                None => bequest.deleted.push(room_id),
            }
        }
        Ok(bequest)
    }

    /// Takes the account out of direct rooms with several others; those with one other or none are given back, to go.
    async fn leave_direct_rooms(&self, tx: &mut Transaction, user: &User, by: &AuditContext) -> Step<Vec<String>> {
        let rooms = self.direct_rooms(tx, &user.id).await?;
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let counting = vec![
            doc! { "$match": { "rid": { "$in": &rooms } } },
            doc! { "$group": { "_id": "$rid", "members": { "$sum": 1 } } },
        ];
        let counted = tx.aggregate(&self.subscriptions(), counting).await?;
        let members: HashMap<String, i64> =
            counted.iter().filter_map(|room| Some((text(room, "_id")?, number(room, "members")?))).collect();
        let (pairs, groups): (Vec<String>, Vec<String>) =
            rooms.into_iter().partition(|room| members.get(room).is_none_or(|members| *members <= PAIR));
        if !groups.is_empty() {
            let mut gone = doc! { "uids": user.id.as_str() };
            if let Some(username) = &user.username {
                gone.insert("usernames", username);
            }
            // Only where Rocket.Chat keeps these lists are they there to be shortened.
            let change = doc! { "$pull": gone, "$set": { "_updatedAt": date(by.at) } };
            self.rooms().update_many(doc! { "_id": { "$in": &groups } }, change).session(&mut tx.session).await?;
        }
        Ok(pairs)
    }

    /// Removes rooms with everybody's subscriptions.
    async fn remove_rooms(&self, tx: &mut Transaction, rooms: &[String], by: &AuditContext) -> Step<()> {
        if rooms.is_empty() {
            return Ok(());
        }
        let inside = doc! { "rid": { "$in": rooms } };
        self.forget_rooms(tx, rooms).await?;
        self.discard(tx, &self.subscriptions(), SUBSCRIPTIONS, inside, by).await?;
        self.discard(tx, &self.rooms(), ROOMS, doc! { "_id": { "$in": rooms } }, by).await?;
        Ok(())
    }

    /// Removes the subscriptions that the account still has.
    async fn leave_rooms(&self, tx: &mut Transaction, id: &UserId, by: &AuditContext) -> Step<()> {
        let own = doc! { "u._id": id.as_str() };
        let found = tx.find(&self.subscriptions(), own.clone(), doc! { "rid": 1 }, Document::new(), 0).await?;
        if found.is_empty() {
            return Ok(());
        }
        let rooms: Vec<String> = found.iter().filter_map(|subscription| text(subscription, "rid")).collect();
        let change = doc! { "$inc": { "usersCount": -1 }, "$set": { "_updatedAt": date(by.at) } };
        // A room that somebody else wrote without a count does not get one of less than nobody.
        let counted = doc! { "_id": { "$in": rooms }, "usersCount": { "$gt": 0 } };
        self.rooms().update_many(counted, change).session(&mut tx.session).await?;
        self.discard(tx, &self.subscriptions(), SUBSCRIPTIONS, own, by).await?;
        Ok(())
    }
}

fn strs(rooms: &[RoomId]) -> Vec<String> {
    rooms.iter().map(|room| room.as_str().to_owned()).collect()
}
