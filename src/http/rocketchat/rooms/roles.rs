//! The roles of a room: `addOwner`, `removeOwner` and their like, `roles`, `moderators`, each of `channels.*` and of
//! `groups.*` (contract 10.2 and 10.3).

use serde_json::json;

use super::{Family, RoomAndUser, RoomInQuery, view};
use crate::http::answer::{Answer, success};
use crate::http::call::Call;
use crate::http::call::change::Change;
use crate::http::requirement::{AnyUser, Later, Requirement, SetLeader, SetModerator, SetOwner};
use crate::service::error::{RoomRole, RoomRoleChange};

/// `POST addOwner`.
pub async fn add_owner<F: Family>(change: Change<Later<SetOwner, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Give(RoomRole::Owner)).await
}

/// `POST removeOwner`.
pub async fn remove_owner<F: Family>(change: Change<Later<SetOwner, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Take(RoomRole::Owner)).await
}

/// `POST addModerator`.
pub async fn add_moderator<F: Family>(change: Change<Later<SetModerator, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Give(RoomRole::Moderator)).await
}

/// `POST removeModerator`.
pub async fn remove_moderator<F: Family>(change: Change<Later<SetModerator, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Take(RoomRole::Moderator)).await
}

/// `POST addLeader`.
pub async fn add_leader<F: Family>(change: Change<Later<SetLeader, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Give(RoomRole::Leader)).await
}

/// `POST removeLeader`.
pub async fn remove_leader<F: Family>(change: Change<Later<SetLeader, 400>, RoomAndUser>) -> Answer {
    carry_out::<F, _>(change, RoomRoleChange::Take(RoomRole::Leader)).await
}

async fn carry_out<F: Family, P: Requirement>(change: Change<P, RoomAndUser>, wanted: RoomRoleChange) -> Answer {
    let work = async |call: &Call<P, RoomAndUser>| {
        let (room, user) = (call.input.room.reference(), call.input.user.reference());
        call.services().change_room_role(&call.caller, F::KIND, &room, &user, wanted).await
    };
    change.done(work).await
}

/// `GET channels.roles`, `GET groups.roles`.
pub async fn list_room_roles<F: Family>(call: Call<AnyUser, RoomInQuery>) -> Answer {
    let holders = call.services().list_room_roles(&call.caller, F::KIND, &call.input.room.reference()).await?;
    let roles: Vec<_> = holders.iter().map(view::roles_in_room).collect();
    Ok(success(json!({"roles": roles})))
}

/// `GET channels.moderators`, `GET groups.moderators`.
pub async fn list_moderators<F: Family>(call: Call<AnyUser, RoomInQuery>) -> Answer {
    let moderators = call.services().list_moderators(&call.caller, F::KIND, &call.input.room.reference()).await?;
    Ok(success(json!({"moderators": moderators})))
}
