//! Kinds of sources: turns the inventory's keys into questions to a host, and parses the answers.
//!
//! Nothing here holds a connection: the floor above carries the questions ([`crate::guard::ReadCommand`])
//! over and hands the answers back. An answer is a stranger's text: it is checked, never trusted.

pub mod exclude;
pub mod facts;
pub mod http;
pub mod json;
pub mod lines;
pub mod mounts;
pub mod notes;
mod octal;
pub mod postgres;
pub mod probe;
pub mod reading;
pub mod scan;
pub mod secret;
pub mod services;
