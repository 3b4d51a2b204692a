//! Everything that fleet shows: the only place that prints.
//!
//! Answers go to standard output, everything else that is meant for people to standard error, so that
//! what is piped on is never mixed with remarks. Text that came from a host is escaped before it is
//! shown. Nothing here decides what is done.

mod console;
pub mod json;
mod lines;
mod problem;
mod progress;
mod reporter;
mod table;
mod units;

pub use console::{Color, Console, Talk, WriteError};
pub use problem::Problem;
pub use reporter::{Reporter, Style};
pub use table::Table;
pub use units::{ago, count, duration, size};
