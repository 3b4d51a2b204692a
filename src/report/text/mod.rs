//! Text for people: the lines, tables and sentences of each verb's answer, one file a verb.
//!
//! Everything here turns a typed result into a string; [`Console`](super::Console) prints it. What programs
//! read is in [`json`](super::json).

pub mod checkpoint;
pub mod doctor;
