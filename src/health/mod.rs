//! What a host can do, and whether it is well.
//!
//! Reads only; judges from what the host said about itself.

pub mod doctor;
