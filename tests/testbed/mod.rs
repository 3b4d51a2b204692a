//! Pulls with the real program from the test bed's hosts: real accounts, sudo, owners, databases, faults.

mod captured;
mod database;
mod faults;
mod logins;
mod pull;
mod restore;
mod secrets;
mod services;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test disturbs `new-vm`.
fn alone() -> MutexGuard<'static, ()> {
    static NEW_VM: Mutex<()> = Mutex::new(());
    NEW_VM.lock().unwrap_or_else(PoisonError::into_inner)
}
