//! Pulls with the real program from the test bed's hosts: real accounts, sudo, owners, faults.

mod captured;
mod faults;
mod pull;
