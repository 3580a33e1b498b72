//! Whether somebody may do something: one pure function that gives the reason with the verdict (contract 8.1).

use super::ids::RoleId;
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
    Denied(Denial),
}

/// Why something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// No such permission exists here; nobody has it.
    UnknownPermission,
    /// None of the roles has it.
    NoRoleGrants,
}

impl Decision<'_> {
    /// Whether it is allowed.
    pub const fn is_granted(&self) -> bool {
        matches!(self, Self::Granted { .. })
    }
}

/// Decides whether somebody with the effective roles `held` has `permission`, which is `None` when no such permission
/// is stored. Nobody passes by being an administrator: `admin` passes because it is listed.
pub fn decide<'a>(permission: Option<&Permission>, held: &'a [RoleId]) -> Decision<'a> {
    let Some(permission) = permission else {
        return Decision::Denied(Denial::UnknownPermission);
    };
    match held.iter().find(|role| permission.roles.contains(role)) {
        Some(by) => Decision::Granted { by },
        None => Decision::Denied(Denial::NoRoleGrants),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PermissionId;
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
            prop_assert_eq!(decide(Some(&permission(&listed)), &held).is_granted(), expected);
        }

        #[test]
        fn the_reason_names_a_role_that_is_both_held_and_listed(
            listed in prop::collection::vec(0_u8..6, 0..5),
            held in prop::collection::vec(0_u8..6, 0..5),
        ) {
            let (permission, held) = (permission(&listed), ids(&held));
            if let Decision::Granted { by } = decide(Some(&permission), &held) {
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
            prop_assert!(!decide(Some(&permission), &before).is_granted() || decide(Some(&permission), &after).is_granted());
        }
    }

    #[test]
    fn an_unknown_permission_is_nobodys() {
        assert_eq!(decide(None, &ids(&[1])), Decision::Denied(Denial::UnknownPermission));
    }
}
