//! Naming a few of many.

use std::fmt::Display;

/// So many are named; the rest is counted.
pub(super) const NAMED_MAX: usize = 10;

/// The first ten of `items`, and how many more of the `count` there are.
pub(super) fn listing<T: Display>(count: usize, items: &[T]) -> String {
    let named: Vec<String> = items
        .iter()
        .take(NAMED_MAX)
        .map(ToString::to_string)
        .collect();
    let mut text = named.join(", ");
    if count > named.len() {
        text.push_str(&format!(" and {} more", count - named.len()));
    }
    text
}
