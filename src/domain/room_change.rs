//! What may be done to a room and to who is in it: leaving, and deleting. Pure; the facts are gathered by the store inside
//! the operation that acts on the verdict. What a room is stands in `room`.

use serde::{Deserialize, Serialize};

use super::ids::UserId;

/// Several accounts, by what each of them is named with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invited {
    /// Ids.
    Ids(Vec<UserId>),
    /// Usernames, without regard to case.
    Usernames(Vec<String>),
}

/// How somebody stops being a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// By himself.
    Left,
    /// Somebody else removed him.
    Kicked,
}

/// Whether a room is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archival {
    /// It is.
    Open,
    /// It is kept, and nothing goes on in it.
    Archived,
}

/// Nobody else owns the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastOwner;

/// Whether a member may go. The last owner stays even when nobody else is there, as in Rocket.Chat: a room that nobody
/// owns is one that nobody can delete.
///
/// # Errors
/// [`LastOwner`] when he is an owner and there is no other.
pub const fn may_depart(owns: bool, others_own: bool) -> Result<(), LastOwner> {
    if owns && !others_own { Err(LastOwner) } else { Ok(()) }
}

/// What else hangs on a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ties {
    /// Other servers have it too.
    pub federated: bool,
    /// It is the main room of a team.
    pub team_main: bool,
    /// New accounts join it.
    pub is_default: bool,
}

/// Why a room stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Other servers have it too.
    Federated,
    /// A team would be left without its main room.
    TeamMain,
    /// New accounts join it.
    Default,
}

impl Ties {
    /// Whether the room may be deleted. That a default room stays is the safer reading: the original does not say.
    ///
    /// # Errors
    /// The first reason why not, in the order of [`Kept`].
    pub const fn deletable(self) -> Result<(), Kept> {
        if self.federated {
            return Err(Kept::Federated);
        }
        if self.team_main {
            return Err(Kept::TeamMain);
        }
        if self.is_default {
            return Err(Kept::Default);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_owner_stays() {
        assert_eq!(may_depart(true, false), Err(LastOwner));
        for (owns, others_own) in [(true, true), (false, false), (false, true)] {
            assert_eq!(may_depart(owns, others_own), Ok(()), "{owns} {others_own}");
        }
    }

    #[test]
    fn a_room_goes_only_when_nothing_hangs_on_it() {
        let all = Ties { federated: true, team_main: true, is_default: true };
        assert_eq!(all.deletable(), Err(Kept::Federated));
        assert_eq!(Ties { federated: false, ..all }.deletable(), Err(Kept::TeamMain));
        assert_eq!(Ties { is_default: true, ..Ties::default() }.deletable(), Err(Kept::Default));
        assert_eq!(Ties::default().deletable(), Ok(()));
    }
}
