//! Everything that fleet shows: the only place that prints.
//!
//! Answers go to standard output, everything else that is meant for people to standard error, so that
//! what is piped on is never mixed with remarks. Text that came from a host is escaped before it is
//! shown. Nothing here decides what is done.

mod alike;
mod changed;
mod console;
pub mod json;
mod left_out;
mod lines;
mod patch;
mod problem;
mod progress;
mod reporter;
mod shortfalls;
mod table;
mod tally;
pub mod text;
mod times;

pub use alike::{Alike, alike, names};
pub use changed::{
    Difference, counts, details as change_details, differences, line as change_line,
    style as change_style,
};
pub use console::{Color, Console, Verbosity, WriteError};
pub use left_out::left_out;
pub use patch::shown as shown_patch;
pub use problem::Problem;
pub use reporter::{Reporter, Style};
pub use shortfalls::shortfall;
pub use table::Table;
pub use times::{ago, file_time, since};

pub use crate::units::{count, duration, size};
