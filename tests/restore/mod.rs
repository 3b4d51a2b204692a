//! Restore: the verb, what it does on the host, what fails on the way, and what refuses a write.

mod audit;
mod databases;
mod identity;
mod services;
mod transaction;
mod verb;
