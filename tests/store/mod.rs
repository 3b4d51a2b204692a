//! The store from outside: real trees, real tar, real kills.

mod bed;
mod changes;
mod crash;
mod damage;
mod export;
mod find;
mod history;
mod recover;
mod seal;
