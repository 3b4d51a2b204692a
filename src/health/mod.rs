//! Health of hosts: what they can do, and whether they are well.
//!
//! Reads only; judges from what the host reported about itself.

pub mod doctor;
pub mod probe;
