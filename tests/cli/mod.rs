//! The program itself, run as people and scripts run it.

mod checkpoint;
mod connect;
mod export;
mod fixture;
mod guard;
mod import;
mod init;
mod manuals;
mod many;
mod query;
mod questions;
pub(crate) mod schema;
mod terminal;
mod trust;
mod trusted_files;
mod usage;
