//! All tests that look at fleet from outside, in one binary.

mod store;
mod tidy;
