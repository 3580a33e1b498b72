//! Roles: what one is, how names are compared, and whether one may be deleted.
//!
//! The rule of deletion is here, once, for every surface and every store; the facts it judges (who holds the role) are
//! gathered by the store inside the same transaction that acts on the verdict.

use caseless::Caseless;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use super::ids::{RoleId, RoomId, UserId};
use super::time::Timestamp;

/// Id of the role whose last active holder can never lose it.
pub const ADMIN: &str = "admin";
/// Id of the role every new account gets.
pub const USER: &str = "user";
/// Id of the room role that a room's creator gets.
pub const OWNER: &str = "owner";
/// Id of the room role below the owner.
pub const MODERATOR: &str = "moderator";
/// Id of the room role of whoever a room shows as its leader.
pub const LEADER: &str = "leader";

/// Where an assignment of the role lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RoleScope {
    /// On the user, for the whole workspace.
    Users,
    /// On the user's subscription of one room.
    Subscriptions,
}

impl RoleScope {
    /// The scope of that wire name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Users" => Some(Self::Users),
            "Subscriptions" => Some(Self::Subscriptions),
            _ => None,
        }
    }

    /// The wire name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Users => "Users",
            Self::Subscriptions => "Subscriptions",
        }
    }
}

/// A role as it is stored and sent (contract 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Stable for the life of the role.
    #[serde(rename = "_id")]
    pub id: RoleId,
    /// Unique in the workspace by [`name_key`].
    pub name: String,
    /// Where assignments live.
    pub scope: RoleScope,
    /// For people; may be empty.
    pub description: String,
    /// A system role: keeps its name and scope, and stays.
    pub protected: bool,
    /// Whether holders need a second factor; absent on documents older than the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mandatory2fa: Option<bool>,
    /// Last change.
    #[serde(rename = "_updatedAt")]
    pub updated_at: Timestamp,
}

impl Role {
    /// Where an assignment of this role goes when a room is given or not (contract 4.3, step 9): a room role with a
    /// room lives in the room, everything else on the user.
    pub fn place(&self, room: Option<&RoomId>) -> Place {
        match (self.scope, room) {
            (RoleScope::Subscriptions, Some(room)) => Place::Room(room.clone()),
            _ => Place::Workspace,
        }
    }

    /// Whether the role may be deleted, given everything that holds it (contract 4.6, steps 2 and 3).
    ///
    /// # Errors
    /// The reason why not; protection is named before use.
    pub fn deletable(&self, usage: &RoleUsage) -> Result<(), Undeletable> {
        deletable(self.protected, usage)
    }

    /// Whether everybody may know who holds the role: it is of the workspace and has a description (contract 4.9).
    pub fn is_public(&self) -> bool {
        self.scope == RoleScope::Users && !self.description.is_empty()
    }

    /// Whether the definition may be changed to `wanted` (contract 4.5, step 2).
    ///
    /// # Errors
    /// [`ProtectedDefinition`] when the role is protected and its name or scope would differ.
    pub fn redefinable(&self, wanted: &RoleDefinition) -> Result<(), ProtectedDefinition> {
        if self.protected && (self.name != wanted.name || self.scope != wanted.scope) {
            return Err(ProtectedDefinition);
        }
        Ok(())
    }
}

/// Whether a role may be deleted, be it of the workspace or of an organization, given everything that holds it.
///
/// # Errors
/// The reason why not; protection is named before use.
pub fn deletable(protected: bool, usage: &RoleUsage) -> Result<(), Undeletable> {
    if protected {
        return Err(Undeletable::Protected);
    }
    if !usage.is_free() {
        return Err(Undeletable::InUse(usage.clone()));
    }
    Ok(())
}

/// Where an assignment lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the user's own list of roles.
    Workspace,
    /// In the user's subscription of that room.
    Room(RoomId),
}

/// What an administrator defines of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The name as shown.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// Where assignments live.
    pub scope: RoleScope,
    /// Whether holders need a second factor.
    pub mandatory2fa: bool,
}

/// A custom role that does not exist yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRole {
    /// 24 hexadecimal digits, fresh.
    pub id: RoleId,
    /// The rest.
    pub definition: RoleDefinition,
}

impl NewRole {
    /// The role as it is once created at `at`.
    pub fn into_role(self, at: Timestamp) -> Role {
        Role {
            id: self.id,
            name: self.definition.name,
            scope: self.definition.scope,
            description: self.definition.description,
            protected: false,
            mandatory2fa: Some(self.definition.mandatory2fa),
            updated_at: at,
        }
    }
}

/// A deleted role, as `roles.sync` reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrashedRole {
    /// The role as it was.
    #[serde(flatten)]
    pub role: Role,
    /// When it went.
    #[serde(rename = "_deletedAt")]
    pub deleted_at: Timestamp,
}

/// One role given to (or taken from) one user, in a room or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which role.
    pub role: RoleId,
    /// Who.
    pub user: UserId,
    /// The room the caller named; [`Role::place`] says whether it matters.
    pub room: Option<RoomId>,
}

/// One role to be given to whoever has a username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignee {
    /// Which role.
    pub role: RoleId,
    /// Who, as somebody has written it.
    pub username: String,
    /// As in [`Assignment`].
    pub room: Option<RoomId>,
}

impl Assignee {
    /// The assignment, once it is known whose the name is.
    pub fn assignment(&self, user: UserId) -> Assignment {
        Assignment { role: self.role.clone(), user, room: self.room.clone() }
    }
}

/// The most names a refusal lists.
pub const MAX_NAMED_HOLDERS: usize = 10;

/// So many accounts, and so many members of rooms, are looked at to say who holds a role: a figure that needs no more
/// is exact, and a greater one would have to be counted each time.
pub const MAX_COUNTED_HOLDERS: u64 = 1_000;

/// Everything that still names a role, hidden holders (deactivated users, bots, service accounts) included, as far as
/// the first [`MAX_COUNTED_HOLDERS`] of each kind tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoleUsage {
    /// Users whose own list of roles has it; [`MAX_COUNTED_HOLDERS`] stands for so many or more.
    pub users: u64,
    /// Rooms in which at least one member has it.
    pub rooms: u64,
    /// Usernames of the first holders in alphabetical order, users before members of rooms, each once, at most
    /// [`MAX_NAMED_HOLDERS`].
    pub names: Vec<String>,
}

impl RoleUsage {
    /// Nobody and no room holds the role.
    pub const fn is_free(&self) -> bool {
        self.users == 0 && self.rooms == 0
    }
}

/// Why a role stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undeletable {
    /// It is a system role.
    Protected,
    /// It is held; by whom.
    InUse(RoleUsage),
}

/// A protected role keeps its name and scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProtectedDefinition;

/// The form in which names are compared: NFKC, case-folded, without characters that nobody sees, and trimmed, so that
/// `Émile`, `E\u{301}mile`, `ÉMILE` and `Émi\u{200b}le` are one.
pub fn name_key(name: &str) -> String {
    // Trimmed last: normalizing can bring a space to the front.
    caseless_key(name).trim().to_owned()
}

/// As [`name_key`], but white space around it counts: the form in which usernames and addresses are compared.
pub fn caseless_key(text: &str) -> String {
    if text.is_ascii() {
        // The same in far fewer steps; whoever makes a role compares its name with those of all others.
        return text.chars().filter(|letter| !letter.is_control()).map(|letter| letter.to_ascii_lowercase()).collect();
    }
    any_caseless_key(text)
}

fn any_caseless_key(text: &str) -> String {
    // Taken out first, so that an accent comes to the letter that it is shown on; and again, because compatibility forms of
    // some are others.
    let seen = |character: &char| !is_unseen(*character);
    text.chars().filter(seen).nfkc().default_case_fold().nfkc().filter(seen).nfkc().collect()
}

/// Control characters and those that Unicode says to show as nothing: soft hyphens, zero widths, marks of direction,
/// selectors of variants, fillers, tags.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `name` collides with `role`: same key as its name, or equal to its id. A name that is another role's id would
/// make "id or name" ambiguous.
pub fn name_collides(name: &str, role: &Role) -> bool {
    collides(name, &name_key(name), role.id.as_str(), &role.name)
}

/// As [`name_collides`], for many roles: `key` is the name's own, the rest is the other role's.
pub fn collides(name: &str, key: &str, other_id: &str, other_name: &str) -> bool {
    other_id == name || name_key(other_name) == key
}

/// A role that every workspace has from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRole {
    /// Id and name.
    pub id: &'static str,
    /// Where assignments live.
    pub scope: RoleScope,
    /// For people.
    pub description: &'static str,
}

const fn default_role(id: &'static str, scope: RoleScope, description: &'static str) -> DefaultRole {
    DefaultRole { id, scope, description }
}

/// The built-in roles (contract 7.1), all protected. `anonymous` and `federated-external` are in one version range
/// each; both are seeded, so that every role the permission table names and a client may send back exists.
pub const DEFAULT_ROLES: [DefaultRole; 12] = [
    default_role(ADMIN, RoleScope::Users, "Admin"),
    default_role(MODERATOR, RoleScope::Subscriptions, "Moderator"),
    default_role("leader", RoleScope::Subscriptions, "Leader"),
    default_role(OWNER, RoleScope::Subscriptions, "Owner"),
    default_role(USER, RoleScope::Users, ""),
    default_role("bot", RoleScope::Users, ""),
    default_role("app", RoleScope::Users, ""),
    default_role("guest", RoleScope::Users, ""),
    default_role("anonymous", RoleScope::Users, ""),
    default_role("federated-external", RoleScope::Users, ""),
    default_role("livechat-agent", RoleScope::Users, "Livechat Agent"),
    default_role("livechat-manager", RoleScope::Users, "Livechat Manager"),
];

impl DefaultRole {
    /// The role as it is seeded at `at`.
    pub fn into_role(self, at: Timestamp) -> Role {
        Role {
            id: RoleId::from_stored(self.id),
            name: self.id.to_owned(),
            scope: self.scope,
            description: self.description.to_owned(),
            protected: true,
            mandatory2fa: Some(false),
            updated_at: at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn custom() -> Role {
        NewRole {
            id: RoleId::from_stored("6579adcf2dd9f9d9514f6a00"),
            definition: RoleDefinition {
                name: "Deputy".into(),
                description: String::new(),
                scope: RoleScope::Users,
                mandatory2fa: false,
            },
        }
        .into_role(Timestamp::EPOCH)
    }

    #[test]
    fn a_free_custom_role_may_go() {
        assert_eq!(custom().deletable(&RoleUsage::default()), Ok(()));
    }

    #[test]
    fn protection_is_named_before_use() {
        let admin = DEFAULT_ROLES[0].into_role(Timestamp::EPOCH);
        let usage = RoleUsage { users: 3, rooms: 0, names: vec![] };
        assert_eq!(admin.deletable(&usage), Err(Undeletable::Protected));
    }

    proptest! {
        #[test]
        fn a_custom_role_may_go_exactly_when_nothing_holds_it(users in 0_u64..3, rooms in 0_u64..3) {
            let usage = RoleUsage { users, rooms, names: vec![] };
            prop_assert_eq!(custom().deletable(&usage).is_ok(), users == 0 && rooms == 0);
        }

        #[test]
        fn plain_letters_have_the_key_of_any_others(text in "[\\x00-\\x7f]{0,24}") {
            prop_assert_eq!(caseless_key(&text), any_caseless_key(&text));
        }

        #[test]
        fn a_name_key_is_its_own_key(name in "(\\PC|[\\x00\u{200b}\u{301}\u{ffa0}]){0,24}") {
            let key = name_key(&name);
            prop_assert_eq!(name_key(&key), key);
        }
    }

    #[test]
    fn what_nobody_sees_does_not_part_a_letter_from_its_accent() {
        for name in ["Te\0\u{301}", "T\u{200b}e\u{200d}\u{301}", "te\u{ffa0}\u{301}", "t\u{e9}"] {
            assert_eq!(name_key(name), "t\u{e9}", "{name:?}");
        }
    }

    #[test]
    fn a_public_role_is_of_the_workspace_and_described() {
        let public: Vec<_> = DEFAULT_ROLES.iter().filter(|role| role.into_role(Timestamp::EPOCH).is_public()).collect();
        assert_eq!(
            public.iter().map(|role| role.id).collect::<Vec<_>>(),
            [ADMIN, "livechat-agent", "livechat-manager"]
        );
        assert!(!custom().is_public());
    }

    #[test]
    fn case_unicode_form_and_surrounding_space_do_not_make_another_name() {
        for (one, other) in [
            ("Deputy", "dePUTY"),
            ("Émile", "E\u{301}MILE"),
            ("ﬁre", "FIRE"),
            (" a ", "a"),
            ("straße", "STRASSE"),
            ("\u{af}", "\u{304}"),
        ] {
            assert_eq!(name_key(one), name_key(other), "{one} / {other}");
        }
        assert_ne!(name_key("deputy"), name_key("deputies"));
    }

    #[test]
    fn what_nobody_sees_does_not_make_another_name() {
        for other in ["ad\u{ad}min", "\u{200b}admin", "admin\u{200d}", "\u{202e}admin", "ad\0min", "admin\u{fe0f}"] {
            assert_eq!(name_key(other), "admin", "{other:?}");
        }
        assert_eq!((caseless_key("Root "), name_key("Root ")), ("root ".to_owned(), "root".to_owned()));
    }

    #[test]
    fn a_room_role_without_a_room_lands_on_the_user() {
        let owner = DEFAULT_ROLES[3].into_role(Timestamp::EPOCH);
        let room = RoomId::from_stored("GENERAL");
        assert_eq!(owner.place(Some(&room)), Place::Room(room.clone()));
        assert_eq!(owner.place(None), Place::Workspace);
        assert_eq!(custom().place(Some(&room)), Place::Workspace);
    }

    #[test]
    fn a_protected_role_keeps_name_and_scope_but_not_its_description() {
        let admin = DEFAULT_ROLES[0].into_role(Timestamp::EPOCH);
        let same = RoleDefinition {
            name: "admin".into(),
            description: "Rules all".into(),
            scope: RoleScope::Users,
            mandatory2fa: true,
        };
        assert_eq!(admin.redefinable(&same), Ok(()));
        assert_eq!(
            admin.redefinable(&RoleDefinition { name: "boss".into(), ..same.clone() }),
            Err(ProtectedDefinition)
        );
        let moved = RoleDefinition { scope: RoleScope::Subscriptions, ..same };
        assert_eq!(admin.redefinable(&moved), Err(ProtectedDefinition));
    }
}
