//! Renames the members of a whole archive while it is read, and leaves out those that have no new name.
//!
//! Each header is rendered by [`super::rename`]. Data comes out as it went in, so that holes stay holes.

use std::collections::HashMap;
use std::io::{self, Read};

use super::{BLOCK_BYTES, Error, Event, Head, Kind, MemberStream, rename};
use crate::name::RemotePath;

/// Reads an archive as [`MemberStream::of_archive`] does, and gives it with other names.
///
/// What goes wrong comes as an [`io::Error`] with [`Error`] in it. Memory stays flat, but for the map of
/// a sparse file.
#[derive(Debug)]
pub struct Relocated<R, P> {
    stream: MemberStream<R>,
    place: P,
    /// What is neither a file nor a directory, for its further names in other places.
    others: HashMap<RemotePath, Kind>,
    is_wanted: bool,
    is_finished: bool,
    out: Vec<u8>,
    at: usize,
}

impl<R: Read, P: FnMut(&RemotePath) -> Option<RemotePath>> Relocated<R, P> {
    /// `place` tells where a member belongs; what belongs nowhere is left out.
    #[must_use]
    pub fn new(reader: R, place: P) -> Self {
        Self {
            stream: MemberStream::of_archive(reader).without_digests(),
            place,
            others: HashMap::new(),
            is_wanted: false,
            is_finished: false,
            out: Vec::new(),
            at: 0,
        }
    }

    /// Puts the next bytes into `out`; none at the end.
    fn fill(&mut self) -> Result<(), Error> {
        self.out.clear();
        self.at = 0;
        while self.out.is_empty() && !self.is_finished {
            match self.stream.next()? {
                Event::Begin { head, raw } => {
                    match &head.kind {
                        Kind::Symlink { .. }
                        | Kind::Fifo
                        | Kind::CharDevice { .. }
                        | Kind::BlockDevice { .. } => {
                            self.others.insert(head.path.clone(), head.kind.clone());
                        }
                        Kind::File { .. } | Kind::HardLink { .. } | Kind::Directory => {}
                    }
                    let to = (self.place)(&head.path);
                    self.is_wanted = to.is_some();
                    if let Some(to) = to {
                        let kind = kind_of(head, &self.others, &mut self.place)?;
                        self.out = rename::headers(head, raw, to, kind)?;
                    }
                }
                Event::Data(bytes) if self.is_wanted => self.out.extend_from_slice(bytes),
                Event::Data(_) | Event::Hole(_) | Event::End(_) => {}
                Event::Finished => {
                    self.is_finished = true;
                    self.out.resize(2 * BLOCK_BYTES, 0);
                }
            }
        }
        Ok(())
    }
}

impl<R: Read, P: FnMut(&RemotePath) -> Option<RemotePath>> Read for Relocated<R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.out.len() {
            self.fill().map_err(io::Error::other)?;
        }
        let n = buffer.len().min(self.out.len() - self.at);
        buffer[..n].copy_from_slice(&self.out[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// What a member is where it belongs: a further name of what belongs nowhere is the thing itself, if that
/// has no content.
fn kind_of(
    head: &Head,
    others: &HashMap<RemotePath, Kind>,
    place: &mut impl FnMut(&RemotePath) -> Option<RemotePath>,
) -> Result<Kind, Error> {
    let Kind::HardLink { target } = &head.kind else {
        return Ok(head.kind.clone());
    };
    match (place(target), others.get(target)) {
        (Some(target), _) => Ok(Kind::HardLink { target }),
        (None, Some(kind)) => Ok(kind.clone()),
        (None, None) => Err(Error::LinkTarget {
            path: head.path.clone(),
            target: target.member().to_vec(),
        }),
    }
}
