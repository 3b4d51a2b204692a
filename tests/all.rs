//! All tests that look at fleet from outside, in one binary.

mod capture;
mod cli;
mod docs;
mod inventory;
mod pull;
mod ssh;
mod store;
mod support;
mod testbed;
mod tidy;
