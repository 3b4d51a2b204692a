//! Merges two lists that are sorted by path, and yields what was added, removed or modified.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Peekable;

use super::Change;
use crate::manifest::Entry;
use crate::name::RemotePath;

/// An item of a list that is ordered by path.
pub trait Listed: PartialEq {
    /// Where it is on the host.
    fn path(&self) -> &RemotePath;
}

impl Listed for Entry {
    fn path(&self) -> &RemotePath {
        &self.path
    }
}

/// Pairs of what has the same path in two lists, each of them in path order; pairs of equals are left
/// out. Ends after the first error of either list.
pub struct Merge<O: Iterator, N: Iterator> {
    old: Peekable<O>,
    new: Peekable<N>,
    is_done: bool,
}

impl<O: Iterator, N: Iterator> fmt::Debug for Merge<O, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Merge")
            .field("is_done", &self.is_done)
            .finish_non_exhaustive()
    }
}

impl<O: Iterator, N: Iterator> Merge<O, N> {
    /// Of what was and what is.
    pub fn new(old: impl IntoIterator<IntoIter = O>, new: impl IntoIterator<IntoIter = N>) -> Self {
        Self {
            old: old.into_iter().peekable(),
            new: new.into_iter().peekable(),
            is_done: false,
        }
    }
}

impl<T, E, O, N> Merge<O, N>
where
    T: Listed,
    O: Iterator<Item = Result<T, E>>,
    N: Iterator<Item = Result<T, E>>,
{
    /// The next path of either list, with what each of them has there.
    #[expect(clippy::type_complexity, reason = "it is what the iterator gives")]
    fn pair(&mut self) -> Option<Result<(Option<T>, Option<T>), E>> {
        let order = match (self.old.peek(), self.new.peek()) {
            (None, None) => return None,
            (Some(Err(_)), _) | (Some(Ok(_)), None) => Ordering::Less,
            (_, Some(Err(_))) | (None, Some(Ok(_))) => Ordering::Greater,
            (Some(Ok(old)), Some(Ok(new))) => old.path().cmp(new.path()),
        };
        let old = match order {
            Ordering::Less | Ordering::Equal => self.old.next().transpose(),
            Ordering::Greater => Ok(None),
        };
        let new = match order {
            Ordering::Greater | Ordering::Equal => self.new.next().transpose(),
            Ordering::Less => Ok(None),
        };
        Some(old.and_then(|old| Ok((old, new?))))
    }
}

impl<T, E, O, N> Iterator for Merge<O, N>
where
    T: Listed,
    O: Iterator<Item = Result<T, E>>,
    N: Iterator<Item = Result<T, E>>,
{
    type Item = Result<(Option<T>, Option<T>), E>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_done {
            match self.pair() {
                Some(Ok((old, new))) if old == new => {}
                Some(Ok(pair)) => return Some(Ok(pair)),
                ended => {
                    self.is_done = true;
                    return ended;
                }
            }
        }
        None
    }
}

impl Change {
    /// The changes from `old` to `new`, two lists of entries in path order. Ends after the first
    /// error of either list.
    pub fn all<E>(
        old: impl IntoIterator<Item = Result<Entry, E>>,
        new: impl IntoIterator<Item = Result<Entry, E>>,
    ) -> impl Iterator<Item = Result<Self, E>> {
        Merge::new(old, new).filter_map(|pair| match pair {
            Ok((old, new)) => Self::between(old, new).map(Ok),
            Err(error) => Some(Err(error)),
        })
    }
}
