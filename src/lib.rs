//! fleet: checkpoints of hosts over SSH, and hosts that can't be written by accident.
//!
//! A module imports only from floors below its own; `tests/tidy.rs` checks it.
//!
//! | floor | modules | what lives there |
//! |---|---|---|
//! | 8 | [`cli`] | arguments → request → engine → exit status |
//! | 6 | [`report`] | the only place that prints |
//! | 5 | [`engine`] | many hosts: fan-out, limits, stop levels |
//! | 4 | [`checkpoint`], [`health`] | one host: scan → fetch → seal; what a host can do |
//! | 3 | [`ssh`], [`source`], [`store`] | the outside world |
//! | 2 | [`guard`], [`tarstream`], [`event`], [`change`] | rules, formats and what can happen: pure, synchronous |
//! | 1 | [`inventory`], [`manifest`] | facts: plain data |
//! | 0 | [`name`], [`digest`], [`fault`], [`units`], `redact` | words |

pub mod change;
pub mod checkpoint;
pub mod cli;
pub mod digest;
pub mod engine;
pub mod event;
pub mod fault;
pub mod guard;
pub mod health;
pub mod inventory;
pub mod manifest;
pub mod name;
mod redact;
pub mod report;
pub mod source;
pub mod ssh;
pub mod store;
pub mod tarstream;
pub mod units;
