//! Whether somebody may do something: one pure function that gives the reason with the verdict (contract 8.1), and the
//! restrictions that hold over whatever roles grant (contract 8.3).

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{PermissionId, RoleId};
use super::permission::Permission;

/// The verdict and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Allowed; this role is the first that gives it.
    Granted {
        /// One of the caller's roles.
        by: &'a RoleId,
    },
    /// Refused.
    Denied(Denial<'a>),
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial<'a> {
    /// No such permission exists here; nobody has it.
    UnknownPermission,
    /// One of the roles, the first of them, is held to permissions that this one is not among.
    Restricted {
        /// One of the caller's roles.
        by: &'a RoleId,
    },
    /// None of the roles has it.
    NoRoleGrants,
}

impl Decision<'_> {
    /// Whether it is allowed.
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }
}

/// Roles that are held to some permissions: whoever has such a role has none of the others, whatever roles he has
/// besides. Without a word of a role, or with an empty list for it, the role restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restrictions(BTreeMap<RoleId, BTreeSet<PermissionId>>);

impl Restrictions {
    /// Each role with the only permissions that its holders may have.
    pub fn new(allowed: impl IntoIterator<Item = (RoleId, BTreeSet<PermissionId>)>) -> Self {
        Self(allowed.into_iter().filter(|(_, permissions)| !permissions.is_empty()).collect())
    }

    /// Whether the role keeps its holders from having the permission.
    pub fn forbid(&self, role: &RoleId, permission: &PermissionId) -> bool {
        self.0.get(role).is_some_and(|allowed| !allowed.contains(permission))
    }

    /// The roles that restrict.
    pub fn roles(&self) -> impl Iterator<Item = &RoleId> {
        self.0.keys()
    }

    /// Every permission that a restricted role is left with.
    pub fn permissions(&self) -> BTreeSet<&PermissionId> {
        self.0.values().flatten().collect()
    }
}

/// Decides whether somebody with the effective roles `held` (those of the workspace, and those in the room where it is
/// about one) has `permission`, which is `None` when no such permission is stored. Nobody passes by being an
/// administrator: `admin` passes because it is listed.
pub fn decide<'a>(permission: Option<&Permission>, held: &'a [RoleId], restrictions: &Restrictions) -> Decision<'a> {
    let Some(permission) = permission else {
        return Decision::Denied(Denial::UnknownPermission);
    };
    if let Some(by) = held.iter().find(|role| restrictions.forbid(role, &permission.id)) {
        return Decision::Denied(Denial::Restricted { by });
    }
    match held.iter().find(|role| permission.roles.contains(role)) {
        Some(by) => Decision::Granted { by },
        None => Decision::Denied(Denial::NoRoleGrants),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;

    fn permission(roles: &[u8]) -> Permission {
        Permission {
            id: PermissionId::from_stored("p"),
            roles: ids(roles),
            updated_at: Timestamp::EPOCH,
            setting: serde_json::Map::new(),
        }
    }

    /// `0` stands for the permission that it is about.
    fn restrictions(of: &[(u8, Vec<u8>)]) -> Restrictions {
        let name = |number: &u8| if *number == 0 { "p".to_owned() } else { format!("p{number}") };
        let allowed = |numbers: &[u8]| numbers.iter().map(|it| PermissionId::from_stored(name(it))).collect();
        Restrictions::new(of.iter().map(|(role, numbers)| (RoleId::from_stored(format!("r{role}")), allowed(numbers))))
    }

    fn ids(numbers: &[u8]) -> Vec<RoleId> {
        numbers.iter().map(|number| RoleId::from_stored(format!("r{number}"))).collect()
    }

    proptest! {
        #[test]
        fn granted_exactly_when_a_held_role_is_listed(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
        ) {
            let expected = held.iter().any(|role| listed.contains(role));
            let held = ids(&held);
            prop_assert_eq!(decide(Some(&permission(&listed)), &held, &Restrictions::default()).is_granted(), expected);
        }

        #[test]
        fn the_reason_names_a_role_that_is_both_held_and_listed(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
        ) {
            let (permission, held) = (permission(&listed), ids(&held));
            if let Decision::Granted { by } = decide(Some(&permission), &held, &Restrictions::default()) {
                prop_assert!(held.contains(by) && permission.roles.contains(by));
            }
        }

        #[test]
        fn another_role_never_takes_a_right_away(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
            more in 0_u8..6,
        ) {
            let permission = permission(&listed);
            let before = ids(&held);
            let after = ids(&[held, vec![more]].concat());
            let none = Restrictions::default();
            prop_assert!(
                !decide(Some(&permission), &before, &none).is_granted()
                    || decide(Some(&permission), &after, &none).is_granted()
            );
        }

        #[test]
        fn a_restriction_never_widens_anything(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
            restricted in prop::collection::vec((0_u8..6, prop::collection::vec(0_u8..3, 0..3)), 0..4),
            more in (0_u8..6, prop::collection::vec(0_u8..3, 1..3)),
        ) {
            let (permission, held) = (permission(&listed), ids(&held));
            let some = restrictions(&restricted);
            let without = decide(Some(&permission), &held, &Restrictions::default());
            let with = decide(Some(&permission), &held, &some);
            prop_assert!(without.is_granted() || !with.is_granted());
            // Nor does restricting one role more.
            if some.roles().all(|role| *role != ids(&[more.0])[0]) {
                let all = restrictions(&[restricted, vec![more]].concat());
                prop_assert!(with.is_granted() || !decide(Some(&permission), &held, &all).is_granted());
            }
        }

        #[test]
        fn a_restricted_role_never_gives_what_it_is_not_left_with(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
            restricted in 0_u8..6,
        ) {
            let (permission, held) = (permission(&listed), ids(&[held, vec![restricted]].concat()));
            // Left with `p1` alone; it is about `p`.
            let only_another = restrictions(&[(restricted, vec![1])]);
            let refusal = Decision::Denied(Denial::Restricted { by: &ids(&[restricted])[0] });
            prop_assert_eq!(decide(Some(&permission), &held, &only_another), refusal);
        }
    }

    #[test]
    fn an_empty_list_restricts_nothing() {
        let (permission, held) = (permission(&[1]), ids(&[1]));
        assert!(decide(Some(&permission), &held, &restrictions(&[(1, vec![])])).is_granted());
        assert!(decide(Some(&permission), &held, &restrictions(&[(1, vec![0, 1])])).is_granted());
    }

    #[test]
    fn an_unknown_permission_is_nobodys() {
        assert_eq!(decide(None, &ids(&[1]), &Restrictions::default()), Decision::Denied(Denial::UnknownPermission));
    }
}
