//! Restore: the verb, what it does on the host, and what fails on the way.

mod verb;
