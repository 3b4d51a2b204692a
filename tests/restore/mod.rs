//! Restore: the verb, what it does on the host, what fails on the way, and what refuses a write.

mod audit;
mod busybox;
mod choice;
mod cut_off;
mod databases;
mod fixture;
mod fresh;
mod ground;
mod identity;
mod refusals;
mod services;
mod transaction;
mod trees;
