//! Restores PostgreSQL databases: loads each beside the one that is there, and exchanges their names at the
//! end by one transaction.
//!
//! [`read`] tells what a checkpoint holds of a part's databases, [`plan`] compares it with the target's
//! server and decides what is done with each of them. A [`DatabaseTarget`] does it: `load`, `switch`, then
//! `drop_old`, or the way back with `back` and `drop_beside`. How far a database is, its names tell
//! ([`DatabaseTarget::state`]), so that a restore that was cut off at any point can be ended or undone from
//! another workstation.

mod access;
mod captured;
mod change;
mod content;
mod dump;
mod error;
mod live;
mod plan;
mod roles;
mod server;
mod settings;
mod sql;

pub use access::ServerAccess;
pub use captured::{CapturedDatabase, CapturedDatabases, read};
pub use change::{DatabaseState, DatabaseTarget, make_roles};
pub use dump::DumpFacts;
pub use error::Error;
pub use plan::{DatabaseAction, DatabasePlan, PlanOptions, PlannedDatabase, PlannedRole, plan};
pub use server::{DatabaseRow, Inside, ServerFacts, ServerWide, Version, ask};
