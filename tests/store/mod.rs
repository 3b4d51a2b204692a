//! The store from outside: real trees, real tar, real kills.

mod changes;
mod chosen;
mod crash;
mod damage;
mod export;
mod find;
mod fixture;
mod histories;
mod history;
mod layout;
mod newer;
mod one_tree;
mod packs;
mod past;
mod pieces;
mod recover;
mod remove;
mod seal;
