//! What every decision in a workspace rests on, as it was at one moment, and the questions that are asked of it. Where it
//! comes from and how long it is believed is the business of the stores; who may do what is decided in `decide`.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::ids::{PermissionId, RoleId, RoleRef};
use super::permission::Permission;
use super::role::Role;
use super::setting::Setting;

/// Every permission and setting. Never changes once it is made, so that it can be shared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rights {
    permissions: Vec<Permission>,
    settings: BTreeMap<String, Value>,
    /// Where in the list a permission stands, by its id.
    ids: HashMap<String, usize>,
}

impl Rights {
    /// Puts them together: permissions in the order in which they were inserted, and of the settings that are known here
    /// (`SETTINGS`) the stored values by their ids.
    pub fn new(permissions: Vec<Permission>, settings: BTreeMap<String, Value>) -> Self {
        Self { ids: index(&permissions, |permission| permission.id.as_str()), permissions, settings }
    }

    /// Every permission, in the order in which they were inserted.
    pub fn permissions(&self) -> &[Permission] {
        &self.permissions
    }

    /// The stored values of the settings that are known here.
    pub const fn settings(&self) -> &BTreeMap<String, Value> {
        &self.settings
    }

    /// The permission with that id.
    pub fn permission(&self, id: &PermissionId) -> Option<&Permission> {
        self.permission_named(id.as_str())
    }

    /// The permission with that text as its id.
    pub fn permission_named(&self, id: &str) -> Option<&Permission> {
        self.ids.get(id).and_then(|at| self.permissions.get(*at))
    }

    /// What the workspace has stored of a setting, when it is of the setting's type; everything else counts as absent.
    pub fn setting(&self, setting: Setting) -> Option<&Value> {
        self.settings.get(setting.id).filter(|value| setting.accepts(value))
    }
}

/// Every role. Apart from what every request is judged by, because roles come and go more often. Never changes either.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roles {
    roles: Vec<Role>,
    /// Where in the list a role stands.
    ids: HashMap<String, usize>,
    names: HashMap<String, usize>,
}

impl Roles {
    /// Puts them together, in the order in which they were inserted.
    pub fn new(roles: Vec<Role>) -> Self {
        let (ids, names) = (index(&roles, |role| role.id.as_str()), index(&roles, |role| role.name.as_str()));
        Self { roles, ids, names }
    }

    /// Every role, in the order in which they were inserted.
    pub fn all(&self) -> &[Role] {
        &self.roles
    }

    /// The role with that id.
    pub fn role(&self, id: &RoleId) -> Option<&Role> {
        self.ids.get(id.as_str()).and_then(|at| self.roles.get(*at))
    }

    /// The role with that id, or else the one whose name is exactly that text.
    pub fn resolve(&self, reference: &RoleRef) -> Option<&Role> {
        let text = reference.as_str();
        let at = self.ids.get(text).or_else(|| self.names.get(text));
        at.and_then(|at| self.roles.get(*at))
    }
}

/// The first one with a key has it.
fn index<T>(items: &[T], key: impl Fn(&T) -> &str) -> HashMap<String, usize> {
    let mut index = HashMap::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        index.entry(key(item).to_owned()).or_insert(at);
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::role::RoleScope;
    use crate::domain::setting::LOGIN_EXPIRATION;
    use crate::domain::time::Timestamp;
    use proptest::prelude::*;

    fn role((id, name): &(u8, u8)) -> Role {
        Role {
            id: RoleId::from_stored(format!("r{id}")),
            // Some names are ids of others.
            name: format!("r{name}"),
            scope: RoleScope::Users,
            description: String::new(),
            protected: false,
            mandatory2fa: None,
            updated_at: Timestamp::EPOCH,
        }
    }

    fn permission(id: &u8) -> Permission {
        let id = PermissionId::from_stored(format!("p{id}"));
        Permission { id, roles: Vec::new(), updated_at: Timestamp::EPOCH, setting: serde_json::Map::new() }
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_search_through_the_lists_finds(
            roles in prop::collection::vec((0_u8..12, 0_u8..12), 0..10),
            permissions in prop::collection::vec(0_u8..12, 0..10),
            wanted in 0_u8..12,
        ) {
            let rights = Rights::new(permissions.iter().map(permission).collect(), BTreeMap::new());
            let roles = Roles::new(roles.iter().map(role).collect());
            let (role, name) = (RoleId::from_stored(format!("r{wanted}")), format!("r{wanted}"));
            let by_id = roles.all().iter().find(|it| it.id == role);
            prop_assert_eq!(roles.role(&role), by_id);
            let by_name = roles.all().iter().find(|it| it.name == name);
            prop_assert_eq!(roles.resolve(&RoleRef::parse(&name).unwrap()), by_id.or(by_name));
            let id = PermissionId::from_stored(format!("p{wanted}"));
            let expected = rights.permissions().iter().find(|it| it.id == id);
            prop_assert_eq!(rights.permission(&id), expected);
            prop_assert_eq!(rights.permission_named(id.as_str()), expected);
        }
    }

    #[test]
    fn a_stored_value_of_a_wrong_type_counts_as_absent() {
        let with = |value: Value| Rights::new(Vec::new(), [(LOGIN_EXPIRATION.id.to_owned(), value)].into());
        assert_eq!(with(30.into()).setting(LOGIN_EXPIRATION), Some(&Value::from(30)));
        assert_eq!(with("thirty".into()).setting(LOGIN_EXPIRATION), None);
        assert_eq!(Rights::default().setting(LOGIN_EXPIRATION), None);
    }
}
