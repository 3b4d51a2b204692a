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
//! | 6 | [`intake`], [`restore`], [`health`] | a tar stream becomes a pack and entries; a checkpoint is put back; what a host can do |
//! | 5 | [`scan`], [`evidence`] | looking at a host, and comparing it with a checkpoint; what is known of protected machines |
//! | 4 | [`ssh`], [`source`], [`store`], [`audit`] | the outside world; the record of what was written to hosts |
//! | 3 | [`disk`], [`pack`], [`interrupt`], `blocking` | durable private files; the format of packs; how to stop; work that blocks |
//! | 2 | [`guard`], [`tarstream`], [`event`], [`change`], [`shrinkage`] | rules, formats and what can happen: pure, synchronous |
//! | 1 | [`inventory`], [`manifest`] | facts: plain data |
//! | 0 | [`name`], [`digest`], [`fault`], [`units`], `redact` | words |
//!
//! # Invariants
//!
//! - A protected host is never written: what could change a host takes a [`guard::WritePermit`], which only
//!   [`guard`] makes.
//! - Everything that is sent to a host for reading is a [`guard::ReadCommand`].
//! - What a host sends is checked before it becomes an entry, a file, or text on a terminal.
//! - Nothing unfinished is visible in the [`store`], however a run ends. What is sealed never changes.
//! - Every wait for a host has a limit, every queue a bound.
//! - Only [`report`] prints; everything below it emits an [`event::Event`].
//!
//! # The life of a checkpoint
//!
//! [`cli`] makes a request of the arguments, and [`engine`] selects the hosts. For each of them, a
//! [`store::HostLock`] is taken and a [`ssh::ReadSession`] opened. [`scan`] probes the host and lists each
//! source, and what is unchanged since the last checkpoint is taken over. [`checkpoint`] fetches the rest as a
//! tar stream, which [`intake`] turns into a [`pack`] and entries while [`tarstream`] reads it. All parts are
//! checked as one tree, and [`store::Incoming::seal`] makes the checkpoint visible.
//!
//! `docs/src/explanation/architecture.md` has the same in ten steps with file names, and the tests that prove
//! each promise.

pub mod audit;
mod blocking;
pub mod change;
pub mod checkpoint;
pub mod cli;
pub mod digest;
pub mod disk;
pub mod engine;
pub mod event;
pub mod evidence;
pub mod fault;
pub mod guard;
pub mod health;
pub mod import;
pub mod intake;
pub mod interrupt;
pub mod inventory;
pub mod live;
pub mod manifest;
pub mod name;
pub mod pack;
mod redact;
pub mod report;
pub mod restore;
pub mod scan;
pub mod shrinkage;
pub mod source;
pub mod ssh;
pub mod store;
pub mod tarstream;
pub mod units;
