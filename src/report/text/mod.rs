//! Text for people: the lines, tables and sentences of each verb's answer, one file a verb.
//!
//! Everything here turns a typed result into a string; [`Console`](super::Console) prints it. What programs
//! read is in [`json`](super::json).

pub mod change;
pub mod checkpoint;
pub mod diff;
pub mod doctor;
pub mod export;
pub mod guard;
pub mod hosts;
pub mod import;
mod left_out;
pub mod log;
pub mod ls;
pub mod patch;
pub mod restore;
pub mod show;
pub mod skipped;
pub mod times;
pub mod verify;

pub use left_out::left_out;
