//! fleet: checkpoints of hosts over SSH, and hosts that can't be written by accident.
//!
//! A module imports only from floors below its own; `tests/tidy.rs` checks it.
//!
//! | floor | modules | what lives there |
//! |---|---|---|
//! | 11 | [`cli`] | arguments → request → engine → exit status |
//! | 9 | [`report`] | the only place that prints |
//! | 8 | [`engine`] | many hosts: fan-out, limits, stop levels |
//! | 7 | [`checkpoint`], [`import`], [`live`] | what is made of one host, or of one foreign backup |
//! | 6 | [`intake`], [`health`] | a tar stream becomes a pack and entries; what a host can do |
//! | 5 | [`scan`] | looking at a host, and comparing it with a checkpoint |
//! | 4 | [`ssh`], [`source`], [`store`] | the outside world |
//! | 3 | [`disk`], [`pack`] | durable private files; the format of packs |
//! | 2 | [`guard`], [`tarstream`], [`event`], [`change`], [`shrinkage`] | rules, formats and what can happen: pure, synchronous |
//! | 1 | [`inventory`], [`manifest`] | facts: plain data |
//! | 0 | [`name`], [`digest`], [`fault`], [`units`], `redact` | words |

pub mod change;
pub mod checkpoint;
pub mod cli;
pub mod digest;
pub mod disk;
pub mod engine;
pub mod event;
pub mod fault;
pub mod guard;
pub mod health;
pub mod import;
pub mod intake;
pub mod inventory;
pub mod live;
pub mod manifest;
pub mod name;
pub mod pack;
mod redact;
pub mod report;
pub mod scan;
pub mod shrinkage;
pub mod source;
pub mod ssh;
pub mod store;
pub mod tarstream;
pub mod units;
