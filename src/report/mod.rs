//! The report: everything that fleet prints. No other module prints.
//!
//! Answers go to standard output, everything else that is meant for people to standard error, so that
//! what is piped on is never mixed with remarks. Text that came from a host is escaped before it is
//! shown. Nothing here decides what is done.

mod console;
mod diff_writer;
mod grouping;
pub mod json;
mod lines;
mod problem;
mod progress;
mod reporter;
mod table;
mod tally;
pub mod text;

pub use console::{Color, Console, Verbosity, WriteError};
pub use diff_writer::DiffWriter;
pub use grouping::{Group, HostMessages, groups, names};
pub use problem::problem_text;
pub use reporter::{Reporter, Style};
pub use table::Table;

pub use crate::units::{count, duration, size};
