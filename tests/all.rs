//! All tests that look at fleet from outside, in one binary.

mod inventory;
mod store;
mod tidy;
