//! The transaction that puts files in place: whole, reversible, and killed before every call that changes
//! a file system.

mod faults;
mod host;
mod kill;
mod locks;
mod people;
mod plan;
mod scan;
mod stage;
mod whole;
