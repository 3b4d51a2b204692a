//! Sparse maps: how the data behind a member's headers makes up the content of the file.
//!
//! Plain files are their data. A sparse file (GNU's version 1.0) begins with a map in text, one
//! number a line: how many regions, then offset and length of each; the regions follow.

use super::{BLOCK_BYTES, Error, HOLES_MAX_BYTES, SPARSE_MAX_REGIONS};
use crate::name::RemotePath;

/// What the next stored bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// More stored bytes are needed, or there are none left.
    More,
    /// So many stored bytes are no content: map or padding.
    Skip(usize),
    /// So many stored bytes are content.
    Bytes(usize),
    /// So many zeros of content are not stored.
    Zeros(u64),
}

/// How the data of a member that nothing was read of yet makes up its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// It is the content.
    Plain {
        /// How long it is, without padding.
        data_bytes: u64,
    },
    /// It is the content without its holes.
    Sparse {
        /// How long it is, without padding.
        data_bytes: u64,
        /// How long the content is.
        real_bytes: u64,
        /// Offset and length of each region; none if the data begins with them.
        regions: Option<Vec<(u64, u64)>>,
    },
}

/// Walks over the stored bytes of one member.
#[derive(Debug)]
pub(super) enum Layout {
    /// Content and then padding.
    Plain { content_left: u64 },
    /// Map, regions, padding.
    Sparse(Box<Sparse>),
}

/// Walks over the stored bytes of one sparse file.
#[derive(Debug)]
pub(super) struct Sparse {
    path: RemotePath,
    /// Bytes of map and regions together, without padding.
    data_bytes: u64,
    real_bytes: u64,
    stage: Stage,
    /// The number in the map that is being read; none before its first digit.
    number: Option<u64>,
    map_bytes: u64,
    declared_regions: Option<u64>,
    region_offset: Option<u64>,
    regions: Vec<Region>,
}

#[derive(Debug)]
enum Stage {
    Map,
    MapPadding { left: usize },
    Regions { index: usize, position: u64 },
}

#[derive(Debug)]
struct Region {
    offset: u64,
    length: u64,
}

impl Layout {
    pub(super) fn plain(content_bytes: u64) -> Self {
        Self::Plain {
            content_left: content_bytes,
        }
    }

    pub(super) fn sparse(path: RemotePath, data_bytes: u64, real_bytes: u64) -> Self {
        Self::Sparse(Box::new(Sparse {
            path,
            data_bytes,
            real_bytes,
            stage: Stage::Map,
            number: None,
            map_bytes: 0,
            declared_regions: None,
            region_offset: None,
            regions: Vec::new(),
        }))
    }

    /// The regions are in the headers, as offset and length, and the data begins with the first one.
    pub(super) fn mapped(
        path: RemotePath,
        data_bytes: u64,
        real_bytes: u64,
        regions: &[(u64, u64)],
    ) -> Result<Self, Error> {
        let mut layout = Sparse {
            path,
            data_bytes,
            real_bytes,
            stage: Stage::Regions {
                index: 0,
                position: 0,
            },
            number: None,
            map_bytes: 0,
            declared_regions: None,
            region_offset: None,
            regions: Vec::new(),
        };
        layout.take_number(regions.len() as u64)?;
        for &(offset, length) in regions {
            layout.take_number(offset)?;
            layout.take_number(length)?;
        }
        layout.check_map()?;
        Ok(Self::Sparse(Box::new(layout)))
    }

    /// Of what form the member is.
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Plain { content_left } => Form::Plain {
                data_bytes: *content_left,
            },
            Self::Sparse(sparse) => {
                let regions = sparse.regions.iter();
                Form::Sparse {
                    data_bytes: sparse.data_bytes,
                    real_bytes: sparse.real_bytes,
                    regions: match sparse.stage {
                        Stage::Regions { .. } => {
                            Some(regions.map(|r| (r.offset, r.length)).collect())
                        }
                        Stage::Map | Stage::MapPadding { .. } => None,
                    },
                }
            }
        }
    }

    /// Says what `stored` begins with, and counts it as seen.
    pub(super) fn step(&mut self, stored: &[u8]) -> Result<Step, Error> {
        match self {
            Self::Plain { content_left } => Ok(if stored.is_empty() {
                Step::More
            } else if *content_left > 0 {
                Step::Bytes(take_up_to(content_left, stored.len()))
            } else {
                Step::Skip(stored.len())
            }),
            Self::Sparse(sparse) => sparse.step(stored),
        }
    }

    /// Fails if the stored bytes ended before the content was whole.
    pub(super) fn finish(&self) -> Result<(), Error> {
        match self {
            Self::Sparse(sparse) if !matches!(sparse.stage, Stage::Regions { .. }) => {
                Err(sparse.bad("is longer than the data"))
            }
            // The lengths of all regions were compared with the data when the map ended.
            Self::Plain { .. } | Self::Sparse(_) => Ok(()),
        }
    }
}

impl Sparse {
    fn step(&mut self, stored: &[u8]) -> Result<Step, Error> {
        match &mut self.stage {
            Stage::Map if stored.is_empty() => Ok(Step::More),
            Stage::Map => self.read_map(stored).map(Step::Skip),
            Stage::MapPadding { left: 0 } => {
                self.stage = Stage::Regions {
                    index: 0,
                    position: 0,
                };
                self.step(stored)
            }
            Stage::MapPadding { left } => {
                let n = stored.len().min(*left);
                *left -= n;
                Ok(if n == 0 { Step::More } else { Step::Skip(n) })
            }
            Stage::Regions { index, position } => {
                while let Some(region) = self.regions.get_mut(*index) {
                    if *position < region.offset {
                        let gap = region.offset - *position;
                        *position = region.offset;
                        return Ok(Step::Zeros(gap));
                    }
                    if region.length > 0 {
                        if stored.is_empty() {
                            return Ok(Step::More);
                        }
                        let n = take_up_to(&mut region.length, stored.len());
                        region.offset += n as u64;
                        *position += n as u64;
                        return Ok(Step::Bytes(n));
                    }
                    *index += 1;
                }
                let gap = self.real_bytes - *position;
                *position = self.real_bytes;
                Ok(match (gap, stored.len()) {
                    (0, 0) => Step::More,
                    (0, n) => Step::Skip(n),
                    (gap, _) => Step::Zeros(gap),
                })
            }
        }
    }

    /// Reads the map as far as `stored` goes; gives how many bytes it took.
    fn read_map(&mut self, stored: &[u8]) -> Result<usize, Error> {
        for (index, &byte) in stored.iter().enumerate() {
            self.map_bytes += 1;
            match (byte, self.number) {
                (b'0'..=b'9', number) => {
                    let number = number
                        .unwrap_or(0)
                        .checked_mul(10)
                        .and_then(|n| n.checked_add(u64::from(byte - b'0')));
                    self.number = Some(number.ok_or_else(|| self.bad("has an overflow"))?);
                }
                (b'\n', Some(number)) => {
                    self.number = None;
                    if self.take_number(number)? {
                        self.check_map()?;
                        let left = padding(self.map_bytes);
                        self.stage = Stage::MapPadding { left };
                        return Ok(index + 1);
                    }
                }
                _ => return Err(self.bad("holds something that is no number")),
            }
        }
        Ok(stored.len())
    }

    /// Takes the next number of the map; true when it was the last one.
    fn take_number(&mut self, number: u64) -> Result<bool, Error> {
        match (self.declared_regions, self.region_offset.take()) {
            (None, _) => {
                if number > SPARSE_MAX_REGIONS as u64 {
                    return Err(Error::Regions {
                        path: self.path.clone(),
                    });
                }
                self.declared_regions = Some(number);
            }
            (Some(_), None) => {
                self.region_offset = Some(number);
                return Ok(false);
            }
            (Some(_), Some(offset)) => {
                let from = self.regions.last().map_or(0, |r| r.offset + r.length);
                if offset < from {
                    return Err(self.bad("overlaps or goes backwards"));
                }
                if offset
                    .checked_add(number)
                    .is_none_or(|end| end > self.real_bytes)
                {
                    return Err(self.bad("goes beyond the file"));
                }
                self.regions.push(Region {
                    offset,
                    length: number,
                });
            }
        }
        Ok(self.declared_regions == Some(self.regions.len() as u64))
    }

    fn check_map(&self) -> Result<(), Error> {
        let content: u64 = self.regions.iter().map(|r| r.length).sum();
        let stored = content
            .checked_add(self.map_bytes)
            .and_then(|sum| sum.checked_add(padding(self.map_bytes) as u64));
        if stored != Some(self.data_bytes) {
            return Err(self.bad("does not match the data"));
        }
        // GNU tar pads every region to a block, others only the last one: equal if there is nothing
        // to pad.
        let block = BLOCK_BYTES as u64;
        let filled = self.regions.iter().rev().filter(|r| r.length > 0);
        if filled.skip(1).any(|r| r.length % block != 0) {
            return Err(self.bad("has a region of odd length"));
        }
        check_holes(&self.path, self.real_bytes - content)
    }

    fn bad(&self, why: &'static str) -> Error {
        Error::SparseMap {
            path: self.path.clone(),
            why,
        }
    }
}

/// Refuses a file with more bytes of `holes` than a real one has.
pub(super) fn check_holes(path: &RemotePath, holes: u64) -> Result<(), Error> {
    if holes > HOLES_MAX_BYTES {
        return Err(Error::Holes {
            path: path.clone(),
            holes,
        });
    }
    Ok(())
}

/// How many bytes fill up the last block of `bytes`.
#[must_use]
pub fn padding(bytes: u64) -> usize {
    let over = usize::try_from(bytes % BLOCK_BYTES as u64).expect("less than a block");
    if over == 0 { 0 } else { BLOCK_BYTES - over }
}

fn take_up_to(left: &mut u64, available: usize) -> usize {
    let n = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= n as u64;
    n
}
