//! Restore: puts a checkpoint back onto a host that may be written, whole or not at all.
//!
//! A [`plan`] compares the entries of the checkpoint with those of the target, which the safety checkpoint
//! has just captured, and is what `--dry-run` shows and [`transaction`] executes. What is new is staged on
//! the host first, hashed there, and put in place by renames; what it replaces is kept until everything is
//! proven. Nothing here asks the operator or prints.

pub mod accounts;
pub mod bootstrap;
pub mod databases;
mod error;
mod lines;
pub mod plan;
pub mod prove;
pub mod record;
pub mod services;
pub mod sources;
pub mod stage;
pub mod tools;
pub mod transaction;
pub mod unfinished;

pub use error::Error;
