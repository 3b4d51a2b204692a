//! Runs one command on a channel: its frame, its queue, its standard error, and the tasks that read
//! and write it.

pub(in crate::ssh) mod frame;
pub(in crate::ssh) mod queue;
pub(in crate::ssh) mod running;
pub(in crate::ssh) mod stderr;
pub(in crate::ssh) mod task;
pub(in crate::ssh) mod writer;
