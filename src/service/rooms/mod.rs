//! Rooms, as far as roles live in them (contract 10). How a room is named, found and who may look into it is in [`find`];
//! every other use case begins there. [`create`] makes rooms, [`read`] shows them, [`roles`] says who has which role in
//! one, [`membership`] who is in it at all, and [`change`] what becomes of it.

pub mod change;
pub mod create;
pub mod find;
pub mod membership;
pub mod read;
pub mod roles;
