//! Promises of `OrganizationStore`: organizations, custom roles, members, and what each change leaves on record. That
//! nothing of one organization can be reached through another one is `organization_scope`, races are
//! `organization_race`.

use rolekeeper::clock::Ids as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::capability::{Capabilities, Capability};
use rolekeeper::domain::ids::{OrganizationId, RoleId, UserId};
use rolekeeper::domain::organization::{
    CountedRole, NewMember, NewOrganization, NewOrganizationRole, Organization, Precondition, RoleChange, RoleGift,
};
use rolekeeper::domain::role::RoleUsage;
use rolekeeper::domain::system_role::{MEMBER, OWNER, SYSTEM_ROLES};
use rolekeeper::domain::user::{Activation, User};
use rolekeeper::store::organizations::RecordFilter;
use rolekeeper::store::{Conflict, Noun, Order, OrganizationConflict, Page, StoreError, Unique};

use crate::fixtures::{ALL, nobody, role_id};
use crate::support::stores::TestStore;

pub fn capabilities(list: &[Capability]) -> Capabilities {
    list.iter().copied().collect()
}

/// Whoever can do everything.
pub fn everything() -> Capabilities {
    capabilities(&[Capability::OverrideAllPermissions])
}

impl TestStore {
    pub fn order(&self) -> Order {
        Order::plain(self.by())
    }

    pub fn order_for(&self, revisions: &[u64]) -> Order {
        Order { expected: Precondition::OneOf(revisions.to_vec()), ..Order::plain(self.by()) }
    }

    pub fn new_member(&self, user: &UserId) -> NewMember {
        NewMember {
            id: format!("orguser_{}", self.ids.object_id()),
            user: user.clone(),
            assignment: format!("urol_{}", self.ids.object_id()),
        }
    }

    pub fn new_organization(&self, name: &str, owner: &User) -> NewOrganization {
        let id = OrganizationId::from_stored(format!("org_{}", self.ids.object_id()));
        NewOrganization { id, name: name.to_owned(), owner: self.new_member(&owner.id) }
    }

    pub async fn organization(&self, name: &str, owner: &User) -> OrganizationId {
        let new = self.new_organization(name, owner);
        self.store.create_organization(new, &self.order()).await.unwrap().id
    }

    pub fn new_custom_role(&self, name: &str) -> NewOrganizationRole {
        NewOrganizationRole {
            id: role_id(&format!("role_{}", self.ids.object_id())),
            name: name.to_owned(),
            description: Some(format!("about {name}")),
            capabilities: capabilities(&[Capability::InviteUsers]),
        }
    }

    pub async fn custom_role(&self, place: &OrganizationId, name: &str) -> CountedRole {
        let new = self.new_custom_role(name);
        self.store.create_organization_role(place, new, &self.order()).await.unwrap()
    }

    pub async fn join(&self, place: &OrganizationId, user: &User) {
        self.store.add_organization_member(place, self.new_member(&user.id), &self.order()).await.unwrap();
    }

    pub fn gift(&self, role: &RoleId, user: &User) -> RoleGift {
        let id = format!("urol_{}", self.ids.object_id());
        RoleGift { id, role: role.clone(), user: user.id.clone(), within: everything() }
    }

    pub async fn give(&self, place: &OrganizationId, role: &RoleId, user: &User) {
        self.store.assign_organization_role(place, self.gift(role, user), &self.order()).await.unwrap();
    }

    async fn organization_now(&self, id: &OrganizationId) -> Organization {
        self.store.find_organization(id).await.unwrap().unwrap()
    }

    async fn role_now(&self, place: &OrganizationId, role: &RoleId) -> CountedRole {
        self.store.find_organization_role(place, role).await.unwrap().unwrap()
    }

    /// The roles of a member, in his order.
    async fn held(&self, place: &OrganizationId, user: &User) -> Vec<RoleId> {
        let standing = self.store.find_standing(place, &user.id).await.unwrap().unwrap();
        standing.member.roles.into_iter().map(|held| held.role).collect()
    }
}

fn last_owner(organization: &OrganizationId, name: &str) -> StoreError {
    OrganizationConflict::LastOwner { organization: organization.clone(), name: name.to_owned() }.into()
}

async fn whoever_makes_an_organization_owns_it(test: &TestStore) {
    let ann = test.user("ann").await;
    let new = test.new_organization("Acme", &ann);
    let id = new.id.clone();
    let recorded = test
        .recorded(async || {
            let made = test.store.create_organization(new, &test.order()).await.unwrap();
            assert_eq!((made.name.as_str(), made.revision), ("Acme", 1));
            assert_eq!((made.created_at, made.updated_at), (test.by().at, test.by().at));
            assert_eq!(test.organization_now(&made.id).await, made);
        })
        .await;
    let (organization, name) = (id.clone(), "Acme".to_owned());
    assert_eq!(recorded, [Change::OrganizationCreated { organization, name, user: ann.id.clone() }]);
    let standing = test.store.find_standing(&id, &ann.id).await.unwrap().unwrap();
    assert_eq!(test.held(&id, &ann).await, [role_id(OWNER)]);
    assert_eq!(standing.capabilities.iter().count(), 14);
    assert_eq!(test.store.find_standing(&id, &nobody()).await.unwrap(), None);
    let missing = User { id: nobody(), ..ann.clone() };
    let new = test.new_organization("Void", &missing);
    test.refuses(StoreError::NotFound(Noun::User), test.store.create_organization(new, &test.order())).await;
    test.admin("root").await;
    test.store.set_user_active(&test.user("bob").await.id, Activation::Deactivate, &test.by()).await.unwrap();
    let bob = test.store.find_user_by_username("bob", rolekeeper::store::UsernameMatch::Exact).await.unwrap().unwrap();
    let new = test.new_organization("Void", &bob);
    test.refuses(StoreError::NotFound(Noun::User), test.store.create_organization(new, &test.order())).await;
}

async fn organizations_are_listed_for_their_members_page_by_page(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(test.organization(&format!("org {number}"), &ann).await);
    }
    test.organization("other", &bob).await;
    ids.sort();
    let listing = async |page| {
        let listing = test.store.list_organizations(&ann.id, page).await.unwrap();
        assert_eq!(listing.total, 5);
        listing.items.into_iter().map(|organization| organization.id).collect::<Vec<_>>()
    };
    assert_eq!(listing(ALL).await, ids);
    assert_eq!(listing(Page { offset: 3, count: Some(10) }).await, ids[3..]);
    assert_eq!(listing(Page { offset: 1, count: Some(2) }).await, ids[1..3]);
    assert!(listing(Page { offset: 5, count: Some(2) }).await.is_empty());
    assert!(listing(Page { offset: 0, count: Some(0) }).await.is_empty());
    assert_eq!(test.store.list_organizations(&nobody(), ALL).await.unwrap().total, 0);
}

async fn renaming_counts_revisions_and_holds_to_the_expected_one(test: &TestStore) {
    let ann = test.user("ann").await;
    let id = test.organization("Acme", &ann).await;
    test.clock.advance(1_000);
    let recorded = test
        .recorded(async || {
            let after = test.store.rename_organization(&id, "Acme Ltd", &test.order_for(&[1])).await.unwrap();
            assert_eq!((after.name.as_str(), after.revision, after.updated_at), ("Acme Ltd", 2, test.by().at));
            assert_eq!(test.organization_now(&id).await, after);
            let same = test.store.rename_organization(&id, "Acme Ltd", &test.order()).await.unwrap();
            assert_eq!(same, after);
        })
        .await;
    let (before, after) = ("Acme".to_owned(), "Acme Ltd".to_owned());
    assert_eq!(recorded, [Change::OrganizationRenamed { organization: id.clone(), before, after }]);
    let stale = test.order_for(&[1, 7]);
    test.refuses(OrganizationConflict::OtherRevision(2), test.store.rename_organization(&id, "X", &stale)).await;
    let gone = OrganizationId::from_stored("org_gone");
    test.refuses(StoreError::NotFound(Noun::Organization), test.store.rename_organization(&gone, "X", &stale)).await;
}

async fn an_organization_goes_with_its_last_member_and_its_roles(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let id = test.organization("Acme", &ann).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    test.join(&id, &bob).await;
    let stale = test.order_for(&[2]);
    test.refuses(OrganizationConflict::OtherRevision(1), test.store.delete_organization(&id, &stale)).await;
    let delete = test.order();
    test.refuses(OrganizationConflict::OtherMembers(2), test.store.delete_organization(&id, &delete)).await;
    test.store.remove_organization_member(&id, &bob.id, &test.order()).await.unwrap();
    let recorded =
        test.recorded(async || test.store.delete_organization(&id, &test.order_for(&[1])).await.unwrap()).await;
    assert_eq!(recorded, [Change::OrganizationDeleted { organization: id.clone(), name: "Acme".to_owned() }]);
    assert_eq!(test.store.find_organization(&id).await.unwrap(), None);
    assert_eq!(test.store.find_standing(&id, &ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_organization_role(&id, &role).await.unwrap(), None);
    assert_eq!(test.store.list_organizations(&ann.id, ALL).await.unwrap().total, 0);
    test.refuses(StoreError::NotFound(Noun::Organization), test.store.delete_organization(&id, &delete)).await;
    let order = test.order();
    let role = test.store.create_organization_role(&id, test.new_custom_role("x"), &order);
    test.refuses(StoreError::NotFound(Noun::Organization), role).await;
    let order = test.order();
    let member = test.store.add_organization_member(&id, test.new_member(&bob.id), &order);
    test.refuses(StoreError::NotFound(Noun::Organization), member).await;
    let record = test.store.list_organization_record(&id, &RecordFilter::default(), ALL).await.unwrap();
    assert_eq!(record.total, 5, "the record stays");
}

async fn roles_are_listed_with_their_holders_counted(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let id = test.organization("Acme", &ann).await;
    test.join(&id, &bob).await;
    let zebra = test.custom_role(&id, "zebra").await.role;
    let apple = test.custom_role(&id, "Äpple").await.role;
    test.give(&id, &zebra.id, &ann).await;
    test.give(&id, &zebra.id, &bob).await;
    let listed = test.store.list_organization_roles(&id).await.unwrap();
    let names: Vec<_> = listed.iter().map(|counted| (counted.role.name.as_str(), counted.members)).collect();
    let expected = [
        ("Owner", 1),
        ("Admin", 0),
        ("Member", 1),
        ("Department Manager", 0),
        ("Knowledge Manager", 0),
        ("Billing Manager", 0),
        ("zebra", 2),
        ("Äpple", 0),
    ];
    assert_eq!(names, expected);
    for (counted, system) in listed.iter().zip(SYSTEM_ROLES) {
        assert_eq!(counted.role, system.to_role());
    }
    assert_eq!(test.role_now(&id, &apple.id).await, CountedRole { role: apple, members: 0 });
    assert_eq!(test.role_now(&id, &zebra.id).await, CountedRole { role: zebra, members: 2 });
    assert_eq!(test.role_now(&id, &role_id(OWNER)).await.members, 1);
    assert_eq!(test.store.find_organization_role(&id, &role_id("role_none")).await.unwrap(), None);
}

async fn names_of_roles_are_unique_within_an_organization_alone(test: &TestStore) {
    let ann = test.user("ann").await;
    let (id, other) = (test.organization("Acme", &ann).await, test.organization("Other", &ann).await);
    let new = test.new_custom_role("Émile");
    let recorded = test
        .recorded(async || {
            let made = test.store.create_organization_role(&id, new.clone(), &test.order()).await.unwrap();
            let role = new.clone().into_role(id.clone(), test.by().at);
            assert_eq!(made, CountedRole { role, members: 0 });
        })
        .await;
    let (role, after) = (new.id.clone(), new.clone().into_role(id.clone(), test.by().at));
    assert_eq!(recorded, [Change::OrganizationRoleCreated { organization: id.clone(), role, after }]);
    let taken = StoreError::AlreadyExists(Unique::OrganizationRoleName);
    for name in ["Émile", " e\u{301}MILE ", "owner", "BILLING manager"] {
        let order = test.order();
        test.refuses(taken.clone(), test.store.create_organization_role(&id, test.new_custom_role(name), &order)).await;
    }
    test.custom_role(&other, "Émile").await;
    let second = test.custom_role(&id, "Second").await.role.id;
    for name in ["émile", "Admin"] {
        let change = RoleChange { name: Some(name.to_owned()), ..RoleChange::default() };
        let order = test.order();
        test.refuses(taken.clone(), test.store.update_organization_role(&id, &second, &change, &order)).await;
    }
    let own = RoleChange { name: Some("SECOND".to_owned()), ..RoleChange::default() };
    let after = test.store.update_organization_role(&id, &second, &own, &test.order()).await.unwrap();
    assert_eq!(after.role.name, "SECOND", "a role may have its own name in another form");
}

async fn a_change_of_a_role_keeps_what_it_does_not_name(test: &TestStore) {
    let ann = test.user("ann").await;
    let id = test.organization("Acme", &ann).await;
    let before = test.custom_role(&id, "Recruiter").await.role;
    test.give(&id, &before.id, &ann).await;
    test.clock.advance(1_000);
    let change = RoleChange {
        description: Some(None),
        capabilities: Some(capabilities(&[Capability::AssignRoles, Capability::ManageRoles])),
        ..RoleChange::default()
    };
    let recorded = test
        .recorded(async || {
            let order = test.order_for(&[1]);
            let after = test.store.update_organization_role(&id, &before.id, &change, &order).await.unwrap();
            assert_eq!(after.role, before.changed(&change, test.by().at).unwrap());
            assert_eq!((after.role.revision, after.members), (2, 1));
            assert_eq!(test.role_now(&id, &before.id).await, after);
            let again = test.store.update_organization_role(&id, &before.id, &change, &test.order()).await.unwrap();
            assert_eq!(again, after);
        })
        .await;
    let after = test.role_now(&id, &before.id).await.role;
    let (organization, role) = (id.clone(), before.id.clone());
    assert_eq!(recorded, [Change::OrganizationRoleUpdated { organization, role, before: before.clone(), after }]);
    let standing = test.store.find_standing(&id, &ann.id).await.unwrap().unwrap();
    assert!(standing.capabilities.allow(Capability::AssignRoles));
    let stale = test.order_for(&[1]);
    let again = RoleChange { name: Some("Owner".to_owned()), ..RoleChange::default() };
    let refused = test.store.update_organization_role(&id, &before.id, &again, &stale);
    test.refuses(OrganizationConflict::OtherRevision(2), refused).await;
    let refused = test.store.update_organization_role(&id, &SYSTEM_ROLES[1].to_role().id, &again, &stale).await;
    assert_eq!(refused, Err(Conflict::RoleProtected.into()));
    let refused = test.store.update_organization_role(&id, &role_id("role_none"), &again, &stale).await;
    assert_eq!(refused, Err(StoreError::NotFound(Noun::Role)));
}

async fn a_role_goes_when_nobody_holds_it(test: &TestStore) {
    test.admin("root").await;
    let ann = test.user("ann").await;
    let id = test.organization("Acme", &ann).await;
    let role = test.custom_role(&id, "Recruiter").await.role;
    let mut names = Vec::new();
    for number in 0..12 {
        let user = test.user(&format!("holder{number:02}")).await;
        test.join(&id, &user).await;
        test.give(&id, &role.id, &user).await;
        test.store.set_user_active(&user.id, Activation::Deactivate, &test.by()).await.unwrap();
        names.push((user.id, user.username.unwrap()));
    }
    names.sort();
    let mut first: Vec<_> = names.iter().take(10).map(|(_, name)| name.clone()).collect();
    first.sort();
    let held = Conflict::RoleInUse(RoleUsage { users: 12, rooms: 0, names: first });
    let order = test.order();
    test.refuses(held, test.store.delete_organization_role(&id, &role.id, &order)).await;
    for system in SYSTEM_ROLES {
        let refused = test.store.delete_organization_role(&id, &role_id(system.id), &test.order_for(&[9])).await;
        assert_eq!(refused, Err(Conflict::RoleProtected.into()));
    }
    let stale = test.order_for(&[9]);
    let refused = test.store.delete_organization_role(&id, &role.id, &stale);
    test.refuses(OrganizationConflict::OtherRevision(1), refused).await;
    for (user, _) in &names {
        test.store.unassign_organization_role(&id, &role.id, user, &test.order()).await.unwrap();
    }
    let recorded = test
        .recorded(async || test.store.delete_organization_role(&id, &role.id, &test.order_for(&[1])).await.unwrap())
        .await;
    let (organization, gone) = (id.clone(), role.id.clone());
    assert_eq!(recorded, [Change::OrganizationRoleDeleted { organization, role: gone, before: role.clone() }]);
    assert_eq!(test.store.find_organization_role(&id, &role.id).await.unwrap(), None);
    test.refuses(StoreError::NotFound(Noun::Role), test.store.delete_organization_role(&id, &role.id, &order)).await;
    test.custom_role(&id, "Recruiter").await;
}

async fn a_role_is_given_and_taken(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let id = test.organization("Acme", &ann).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    let order = test.order();
    let stranger = test.store.assign_organization_role(&id, test.gift(&role, &bob), &order);
    test.refuses(StoreError::NotFound(Noun::Member), stranger).await;
    test.join(&id, &bob).await;
    test.clock.advance(1_000);
    let recorded = test
        .recorded(async || {
            let gift = test.gift(&role, &bob);
            let given = test.store.assign_organization_role(&id, gift.clone(), &test.order()).await.unwrap();
            assert_eq!((given.id, given.organization, given.user), (gift.id, id.clone(), bob.id.clone()));
            assert_eq!((given.role, given.assigned_at), (role.clone(), test.by().at));
        })
        .await;
    let (organization, user) = (id.clone(), bob.id.clone());
    assert_eq!(recorded, [Change::OrganizationRoleAssigned { organization, role: role.clone(), user }]);
    assert_eq!(test.held(&id, &bob).await, [role_id(MEMBER), role.clone()]);
    let again = test.store.assign_organization_role(&id, test.gift(&role, &bob), &order);
    test.refuses(Conflict::RoleAlreadyHeld, again).await;
    let recorded = test
        .recorded(async || {
            test.store.unassign_organization_role(&id, &role, &bob.id, &test.order()).await.unwrap();
        })
        .await;
    let (organization, user) = (id.clone(), bob.id.clone());
    assert_eq!(recorded, [Change::OrganizationRoleUnassigned { organization, role: role.clone(), user }]);
    let order = test.order();
    for user in [&bob.id, &nobody()] {
        test.refuses(Conflict::RoleNotHeld, test.store.unassign_organization_role(&id, &role, user, &order)).await;
    }
    let none = role_id("role_none");
    let missing = StoreError::NotFound(Noun::Role);
    test.refuses(missing.clone(), test.store.unassign_organization_role(&id, &none, &bob.id, &order)).await;
    let order = test.order();
    test.refuses(missing, test.store.assign_organization_role(&id, test.gift(&none, &bob), &order)).await;
}

async fn nobody_gives_more_than_he_has(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let id = test.organization("Acme", &ann).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    let beyond = |missing: &[Capability]| OrganizationConflict::BeyondOneself(missing.to_vec());
    // Told before it is told whether the other is a member.
    let weak = RoleGift { within: capabilities(&[Capability::AssignRoles]), ..test.gift(&role, &bob) };
    let order = test.order();
    let refused = test.store.assign_organization_role(&id, weak.clone(), &order);
    test.refuses(beyond(&[Capability::InviteUsers]), refused).await;
    test.join(&id, &bob).await;
    let equal = RoleGift { within: capabilities(&[Capability::InviteUsers]), ..weak };
    let more = RoleChange {
        capabilities: Some(capabilities(&[Capability::InviteUsers, Capability::ManageBilling])),
        ..RoleChange::default()
    };
    test.store.update_organization_role(&id, &role, &more, &test.order()).await.unwrap();
    let refused = test.store.assign_organization_role(&id, equal, &order);
    test.refuses(beyond(&[Capability::ManageBilling]), refused).await;
    let owner = RoleGift { within: SYSTEM_ROLES[1].to_role().capabilities, ..test.gift(&role_id(OWNER), &bob) };
    let refused = test.store.assign_organization_role(&id, owner, &order);
    test.refuses(beyond(&[Capability::ManageBilling, Capability::OverrideAllPermissions]), refused).await;
}

async fn members_come_and_go_with_their_roles(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let id = test.organization("Acme", &ann).await;
    let new = test.new_member(&bob.id);
    let recorded = test
        .recorded(async || {
            let joined = test.store.add_organization_member(&id, new.clone(), &test.order()).await.unwrap();
            assert_eq!(joined.member, new.clone().into_member(id.clone(), MEMBER, test.by().at));
            assert_eq!(joined.account.as_ref(), Some(&bob));
        })
        .await;
    let (organization, user) = (id.clone(), bob.id.clone());
    assert_eq!(recorded, [Change::OrganizationMemberAdded { organization, user }]);
    let order = test.order();
    let again = test.store.add_organization_member(&id, test.new_member(&bob.id), &order);
    test.refuses(StoreError::AlreadyExists(Unique::Member), again).await;
    let unknown = test.store.add_organization_member(&id, test.new_member(&nobody()), &order);
    test.refuses(StoreError::NotFound(Noun::User), unknown).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    test.give(&id, &role, &bob).await;
    let recorded =
        test.recorded(async || test.store.remove_organization_member(&id, &bob.id, &test.order()).await.unwrap()).await;
    let (organization, user, roles) = (id.clone(), bob.id.clone(), vec![role_id(MEMBER), role.clone()]);
    assert_eq!(recorded, [Change::OrganizationMemberRemoved { organization, user, roles }]);
    assert_eq!(test.role_now(&id, &role).await.members, 0);
    let order = test.order();
    let missing = StoreError::NotFound(Noun::Member);
    test.refuses(missing, test.store.remove_organization_member(&id, &bob.id, &order)).await;
    test.join(&id, &bob).await;
    assert_eq!(test.held(&id, &bob).await, [role_id(MEMBER)], "what he had does not come back with him");
}

async fn totals_are_right_at_the_ends_of_pages(test: &TestStore) {
    let ann = test.user("ann").await;
    let id = test.organization("Acme", &ann).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    let mut people = vec![ann.id.clone()];
    for number in 0..50 {
        let user = test.user(&format!("user{number}")).await;
        test.join(&id, &user).await;
        if number % 2 == 0 {
            test.give(&id, &role, &user).await;
        }
        people.push(user.id);
    }
    people.sort();
    for (offset, count) in [(0, Some(25)), (25, Some(25)), (50, Some(25)), (26, Some(24)), (51, Some(1)), (0, None)] {
        let listing = test.store.list_organization_members(&id, None, Page { offset, count }).await.unwrap();
        assert_eq!(listing.total, 51);
        let ids: Vec<_> = listing.items.iter().map(|item| item.member.user.clone()).collect();
        let start = usize::try_from(offset).unwrap();
        let expected: Vec<_> = people.iter().skip(start).take(count.unwrap_or(99) as usize).cloned().collect();
        assert_eq!(ids, expected, "{offset} {count:?}");
        assert!(listing.items.iter().all(|item| item.account.as_ref().unwrap().id == item.member.user));
    }
    let holders =
        test.store.list_organization_members(&id, Some(&role), Page { offset: 20, count: Some(10) }).await.unwrap();
    assert_eq!((holders.total, holders.items.len()), (25, 5));
}

async fn the_last_owner_who_can_act_stays(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob, cyd) = (test.user("ann").await, test.user("bob").await, test.user("cyd").await);
    let id = test.organization("Acme", &ann).await;
    let owner = role_id(OWNER);
    let last = last_owner(&id, "Acme");
    let order = test.order();
    let all_ways = async || {
        test.refuses(last.clone(), test.store.unassign_organization_role(&id, &owner, &ann.id, &order)).await;
        test.refuses(last.clone(), test.store.remove_organization_member(&id, &ann.id, &order)).await;
        for activation in [Activation::Deactivate, Activation::DeactivateAndRelinquish] {
            test.refuses(last.clone(), test.store.set_user_active(&ann.id, activation, &test.by())).await;
        }
    };
    all_ways().await;
    // Owners who cannot act do not count.
    for user in [&bob, &cyd] {
        test.join(&id, user).await;
        test.give(&id, &owner, user).await;
    }
    test.store.set_user_active(&bob.id, Activation::Deactivate, &test.by()).await.unwrap();
    test.plant_kind(&cyd.id, "app").await;
    all_ways().await;
    // A deactivated account that is one already is no way either, and changes nothing.
    test.store.set_user_active(&bob.id, Activation::Deactivate, &test.by()).await.unwrap();
    test.store.set_user_active(&bob.id, Activation::Activate, &test.by()).await.unwrap();
    test.store.set_user_active(&ann.id, Activation::Deactivate, &test.by()).await.unwrap();
    test.refuses(last.clone(), test.store.set_user_active(&bob.id, Activation::Deactivate, &test.by())).await;
    test.store.unassign_organization_role(&id, &owner, &ann.id, &test.order()).await.unwrap();
    test.store.remove_organization_member(&id, &cyd.id, &test.order()).await.unwrap();
    test.refuses(last, test.store.remove_organization_member(&id, &bob.id, &order)).await;
}

async fn the_record_of_an_organization_is_filtered_and_in_order(test: &TestStore) {
    let (ann, bob) = (test.user("ann").await, test.user("bob").await);
    let (id, other) = (test.organization("Acme", &ann).await, test.organization("Other", &ann).await);
    test.clock.advance(1_000);
    let middle = test.by().at;
    test.join(&id, &bob).await;
    test.join(&other, &bob).await;
    let role = test.custom_role(&id, "Recruiter").await.role.id;
    test.clock.advance(1_000);
    test.give(&id, &role, &bob).await;
    let actions = async |filter: RecordFilter, page: Page| {
        let listing = test.store.list_organization_record(&id, &filter, page).await.unwrap();
        let action = |change: &Change| serde_json::to_value(change).unwrap()["action"].as_str().unwrap().to_owned();
        (listing.total, listing.items.iter().map(|entry| action(&entry.change)).collect::<Vec<_>>())
    };
    let [created, added, made, given] = [
        "organization_created",
        "organization_member_added",
        "organization_role_created",
        "organization_role_assigned",
    ];
    let all = || RecordFilter::default();
    let (total, listed) = actions(all(), ALL).await;
    assert_eq!((total, listed.len(), listed[0].as_str(), listed[3].as_str()), (4, 4, given, created));
    assert_eq!(actions(all(), Page { offset: 3, count: Some(9) }).await, (4, vec![created.to_owned()]));
    assert_eq!(actions(all(), Page { offset: 0, count: Some(0) }).await, (4, vec![]));
    assert_eq!(actions(all(), Page { offset: 4, count: Some(1) }).await, (4, vec![]));
    let action = RecordFilter { action: Some(made.to_owned()), ..all() };
    assert_eq!(actions(action, ALL).await, (1, vec![made.to_owned()]));
    let actor = RecordFilter { actor: Some(UserId::from_stored(crate::support::stores::ACTOR_ID)), ..all() };
    assert_eq!(actions(actor, ALL).await.0, 4);
    let actor = RecordFilter { actor: Some(ann.id.clone()), ..all() };
    assert_eq!(actions(actor, ALL).await.0, 0);
    let user = RecordFilter { user: Some(bob.id.clone()), ..all() };
    assert_eq!(actions(user, ALL).await, (2, vec![given.to_owned(), added.to_owned()]));
    let about_role = RecordFilter { role: Some(role), ..all() };
    assert_eq!(actions(about_role, ALL).await, (2, vec![given.to_owned(), made.to_owned()]));
    assert_eq!(actions(RecordFilter { from: Some(middle), ..all() }, ALL).await.0, 3);
    assert_eq!(actions(RecordFilter { to: Some(middle), ..all() }, ALL).await.0, 3);
    let both = RecordFilter { from: Some(middle), to: Some(middle), ..all() };
    assert_eq!(actions(both, ALL).await.0, 2);
    let mut behind = None;
    let mut walked = Vec::new();
    loop {
        let filter = RecordFilter { behind: behind.clone(), ..all() };
        let page = Page { offset: 0, count: Some(1) };
        let items = test.store.list_organization_record(&id, &filter, page).await.unwrap().items;
        let Some(entry) = items.into_iter().next() else { break };
        behind = Some((entry.context.at, entry.id.clone()));
        walked.push(entry);
    }
    assert_eq!(walked, test.store.list_organization_record(&id, &all(), ALL).await.unwrap().items);
}

on_every_backend![
    whoever_makes_an_organization_owns_it,
    organizations_are_listed_for_their_members_page_by_page,
    renaming_counts_revisions_and_holds_to_the_expected_one,
    an_organization_goes_with_its_last_member_and_its_roles,
    roles_are_listed_with_their_holders_counted,
    names_of_roles_are_unique_within_an_organization_alone,
    a_change_of_a_role_keeps_what_it_does_not_name,
    a_role_goes_when_nobody_holds_it,
    a_role_is_given_and_taken,
    nobody_gives_more_than_he_has,
    members_come_and_go_with_their_roles,
    totals_are_right_at_the_ends_of_pages,
    the_last_owner_who_can_act_stays,
    the_record_of_an_organization_is_filtered_and_in_order,
];
