//! All tests that look at fleet from outside, in one binary.

#![expect(
    clippy::too_many_lines,
    reason = "a test may be a table of cases, or a story with many steps"
)]

mod capture;
mod cli;
mod databases;
mod docs;
mod inventory;
mod pull;
mod restore;
mod services;
mod ssh;
mod store;
mod support;
mod testbed;
mod tidy;
