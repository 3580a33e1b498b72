//! What can be wrong about rooms.

/// What can be wrong about rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomRefusal {
    /// The caller may not create channels.
    CreatingNotAllowed,
    /// No name was given.
    NameRequired,
    /// The name does not match the workspace's pattern.
    InvalidName(String),
    /// Another channel or group has that name.
    NameTaken(String),
    /// The members are no list.
    MembersNotAList,
    /// A custom field has a name that cannot be kept.
    InvalidCustomFields,
}
