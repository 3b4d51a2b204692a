//! Follows a dump in PostgreSQL's custom format from its first byte to its last.
//!
//! ```text
//! head      "PGDMP", format version, widths, kind, compression, time, names and versions
//! contents  a count, and so many items: number, whether data follows, texts, needs, offset
//! data      for each item that announced some: its number, and pieces up to one of no length
//! ```
//!
//! The format has no end marker. But every item with data is announced before the data comes, so an
//! archive is whole if it ends behind a block, and a block came for each. `pg_restore --list` proves
//! less: it reads the contents only.
//!
//! Only the seven numbers of the time differ from run to run. They have a fixed length, and nothing
//! refers to them, so they are overwritten where they are.
//!
//! Source: `pg_backup_archiver.c`, `pg_backup_archiver.h`, `pg_backup_custom.c` of PostgreSQL 9.0–18.

use std::collections::HashSet;

use super::contents::Contents;
use super::{Error, Whole, not_a_dump};

/// Format versions 1.12 (PostgreSQL 9.0) to 1.16 (17 and 18).
const MINORS: std::ops::RangeInclusive<u8> = 12..=16;

const MAGIC: &[u8] = b"PGDMP";

/// Names and versions of the head that are longer aren't told.
const TEXT_MAX_BYTES: usize = 200;

/// What the head says of when it was made: 2000-01-01 00:00:00, no summer time.
const TIME: [u8; 7] = [0, 0, 0, 1, 0, 100, 0];

/// More tables than any server has; what is remembered of them is bounded by it.
const ITEMS_MAX: i64 = 4_000_000;

const BLOCK_DATA: u8 = 1;
const BLOCK_LARGE_OBJECTS: u8 = 3;

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Head,
    CompressionByte,
    CompressionNumber,
    Time(usize),
    Database,
    ServerVersion,
    ToolVersion,
    Count,
    Number,
    HasData,
    /// Texts before the section.
    Before(usize),
    Section,
    /// Texts between the section and the kind of relation.
    Between(usize),
    RelationKind,
    Owner,
    WithOids,
    Need,
    Offset,
    Block,
    BlockNumber {
        is_large_objects: bool,
    },
    Piece {
        is_large_object: bool,
    },
    LargeObject,
    /// A version of the format that isn't known: passed on as it is.
    Unknown,
}

/// How what comes next is written.
enum Shape {
    Bytes(usize),
    Number,
    Text,
}

/// What came.
enum Value<'a> {
    Bytes(&'a [u8]),
    Number(i64),
    /// None where the text is absent.
    Text(Option<&'a [u8]>),
}

/// Reads an archive.
#[derive(Debug)]
pub(super) struct Archive {
    step: Step,
    /// What came of a field that isn't complete.
    field: Vec<u8>,
    /// The length of the text that is being read, once it is known, and what of it came.
    text: Option<(u64, u64)>,
    /// Bytes of a piece of data that are still to come.
    skip_bytes: u64,
    at_byte: u64,
    minor: u8,
    number_bytes: usize,
    offset_bytes: usize,
    items_left: i64,
    number: i64,
    /// Items whose data hasn't come.
    awaited: HashSet<i64>,
    whole: Whole,
    contents: Contents,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            step: Step::Head,
            field: Vec::new(),
            text: None,
            skip_bytes: 0,
            at_byte: 0,
            minor: 0,
            number_bytes: 4,
            offset_bytes: 8,
            items_left: 0,
            number: 0,
            awaited: HashSet::new(),
            whole: Whole::default(),
            contents: Contents::default(),
        }
    }
}

impl Archive {
    /// One that takes note of what is in it.
    pub(super) fn with_contents() -> Self {
        Self {
            contents: Contents::wanted(),
            ..Self::default()
        }
    }

    /// What was noted so far.
    pub(super) fn take_contents(&mut self) -> Contents {
        std::mem::take(&mut self.contents)
    }

    pub(super) fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let begin = out.len();
        out.extend_from_slice(piece);
        let mut rest = &mut out[begin..];
        while !rest.is_empty() {
            let taken = self.take(rest)?;
            self.at_byte += taken as u64;
            rest = &mut rest[taken..];
        }
        Ok(())
    }

    /// Takes some of `bytes`, at least one; how many.
    fn take(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        if self.step == Step::Unknown {
            return Ok(bytes.len());
        }
        if self.skip_bytes > 0 {
            let taken = within(self.skip_bytes, bytes.len());
            self.skip_bytes -= taken as u64;
            self.contents.data(&bytes[..taken]);
            return Ok(taken);
        }
        if let Some((length, have)) = self.text {
            let taken = within(length - have, bytes.len());
            let limit = self.kept_bytes();
            let room = limit.saturating_sub(self.field.len()).min(taken);
            self.field.extend_from_slice(&bytes[..room]);
            self.text = Some((length, have + taken as u64));
            if have + taken as u64 == length {
                self.text_is_whole()?;
            }
            return Ok(taken);
        }
        let wanted = match self.shape() {
            Shape::Bytes(length) => length,
            Shape::Number | Shape::Text => 1 + self.number_bytes,
        };
        let taken = within((wanted - self.field.len()) as u64, bytes.len());
        let at = self.field.len();
        self.field.extend_from_slice(&bytes[..taken]);
        if let Step::Time(place) = self.step {
            for (byte, at) in bytes[..taken].iter_mut().zip(at..) {
                // The sign, then the number's bytes, the lowest first.
                *byte = if at == 1 { TIME[place] } else { 0 };
            }
        }
        if self.field.len() == wanted {
            let field = std::mem::take(&mut self.field);
            match self.shape() {
                Shape::Bytes(_) => self.came(Value::Bytes(&field))?,
                Shape::Number => {
                    let number = self.decode(&field)?;
                    self.came(Value::Number(number))?;
                }
                Shape::Text => match self.decode(&field)? {
                    length if length < 0 => self.came(Value::Text(None))?,
                    length => {
                        self.text = Some((length.unsigned_abs(), 0));
                        if length == 0 {
                            self.text_is_whole()?;
                        }
                    }
                },
            }
        }
        Ok(taken)
    }

    fn text_is_whole(&mut self) -> Result<(), Error> {
        self.text = None;
        let text = std::mem::take(&mut self.field);
        self.came(Value::Text(Some(&text)))
    }

    /// How much is kept of the text that is being read.
    fn kept_bytes(&self) -> usize {
        match self.step {
            Step::ServerVersion | Step::ToolVersion => TEXT_MAX_BYTES,
            Step::Before(_) | Step::Between(_) | Step::Owner if self.contents.is_wanted() => {
                Contents::TEXT_MAX_BYTES
            }
            _ => 0,
        }
    }

    fn decode(&self, field: &[u8]) -> Result<i64, Error> {
        let mut number: u64 = 0;
        for &byte in field[1..].iter().rev() {
            number = number << 8 | u64::from(byte);
        }
        match (field[0], i64::try_from(number)) {
            (0, Ok(number)) => Ok(number),
            (1, Ok(number)) => Ok(-number),
            _ => Err(self.senseless("a number has no sign")),
        }
    }

    fn senseless(&self, why: &'static str) -> Error {
        Error::Senseless {
            at_byte: self.at_byte,
            why,
        }
    }

    fn shape(&self) -> Shape {
        match self.step {
            Step::Head => Shape::Bytes(11),
            Step::CompressionByte | Step::Block | Step::Unknown => Shape::Bytes(1),
            Step::Offset => Shape::Bytes(1 + self.offset_bytes),
            Step::CompressionNumber
            | Step::Time(_)
            | Step::Count
            | Step::Number
            | Step::HasData
            | Step::Section
            | Step::RelationKind
            | Step::BlockNumber { .. }
            | Step::Piece { .. }
            | Step::LargeObject => Shape::Number,
            Step::Database
            | Step::ServerVersion
            | Step::ToolVersion
            | Step::Before(_)
            | Step::Between(_)
            | Step::Owner
            | Step::WithOids
            | Step::Need => Shape::Text,
        }
    }

    /// Takes what came for the step, and goes on to the next one.
    fn came(&mut self, value: Value<'_>) -> Result<(), Error> {
        self.step = match self.step {
            Step::Head
            | Step::CompressionByte
            | Step::CompressionNumber
            | Step::Time(_)
            | Step::Database
            | Step::ServerVersion
            | Step::ToolVersion
            | Step::Count => self.after_head(value)?,
            Step::Number
            | Step::HasData
            | Step::Before(_)
            | Step::Section
            | Step::Between(_)
            | Step::RelationKind
            | Step::Owner
            | Step::WithOids
            | Step::Need
            | Step::Offset => self.after_item(value)?,
            Step::Block | Step::BlockNumber { .. } | Step::Piece { .. } | Step::LargeObject => {
                self.after_block(value)?
            }
            Step::Unknown => return Err(self.out_of_order()),
        };
        Ok(())
    }

    /// The step behind one of the archive's head.
    fn after_head(&mut self, value: Value<'_>) -> Result<Step, Error> {
        Ok(match (self.step, value) {
            (Step::Head, Value::Bytes(head)) => self.head(head)?,
            (Step::CompressionByte | Step::CompressionNumber, _) => Step::Time(0),
            (Step::Time(place), _) if place + 1 < TIME.len() => Step::Time(place + 1),
            (Step::Time(_), _) => Step::Database,
            (Step::Database, _) => Step::ServerVersion,
            (Step::ServerVersion, Value::Text(text)) => {
                self.whole.server_version = text.map(crate::name::escape);
                Step::ToolVersion
            }
            (Step::ToolVersion, Value::Text(text)) => {
                self.whole.tool_version = text.map(crate::name::escape);
                Step::Count
            }
            (Step::Count, Value::Number(count)) => {
                if !(0..=ITEMS_MAX).contains(&count) {
                    return Err(self.senseless("the number of its items can't be"));
                }
                self.items_left = count;
                self.next_item()
            }
            _ => return Err(self.out_of_order()),
        })
    }

    /// The step behind one of an item of the contents.
    fn after_item(&mut self, value: Value<'_>) -> Result<Step, Error> {
        match (self.step, &value) {
            (Step::Number, Value::Number(number)) => self.contents.begin(*number),
            (Step::Before(place), Value::Text(Some(text))) => self.contents.before(place, text),
            (Step::Between(place), Value::Text(Some(text))) => self.contents.between(place, text),
            (Step::Owner, Value::Text(text)) => self.contents.owner(text.unwrap_or_default()),
            _ => {}
        }
        Ok(match (self.step, value) {
            (Step::Number, Value::Number(number)) => {
                self.number = number;
                Step::HasData
            }
            (Step::HasData, Value::Number(has_data)) => {
                if has_data != 0 && !self.awaited.insert(self.number) {
                    return Err(self.senseless("two items have one number"));
                }
                Step::Before(0)
            }
            // Catalogue, object, tag, kind.
            (Step::Before(place), _) if place < 3 => Step::Before(place + 1),
            (Step::Before(_), _) => Step::Section,
            (Step::Section, _) => Step::Between(0),
            // Definition, drop, copy, schema, tablespace, and from 1.14 on the access method.
            (Step::Between(place), _) if place < 4 => Step::Between(place + 1),
            (Step::Between(4), _) if self.minor >= 14 => Step::Between(5),
            (Step::Between(_), _) if self.minor >= 16 => Step::RelationKind,
            (Step::Between(_) | Step::RelationKind, _) => Step::Owner,
            (Step::Owner, _) => Step::WithOids,
            // The numbers of items that this one needs, until an absent text.
            (Step::WithOids, _) | (Step::Need, Value::Text(Some(_))) => Step::Need,
            (Step::Need, _) => Step::Offset,
            (Step::Offset, _) => {
                self.items_left -= 1;
                self.next_item()
            }
            _ => return Err(self.out_of_order()),
        })
    }

    /// The step behind one of a block of data.
    fn after_block(&mut self, value: Value<'_>) -> Result<Step, Error> {
        Ok(match (self.step, value) {
            (Step::Block, Value::Bytes([BLOCK_DATA])) => Step::BlockNumber {
                is_large_objects: false,
            },
            (Step::Block, Value::Bytes([BLOCK_LARGE_OBJECTS])) => Step::BlockNumber {
                is_large_objects: true,
            },
            (Step::Block, _) => return Err(self.senseless("a block is of no known kind")),
            (Step::BlockNumber { is_large_objects }, Value::Number(number)) => {
                if !self.awaited.remove(&number) {
                    return Err(self.senseless("a block belongs to no item"));
                }
                self.contents.block(number);
                if is_large_objects {
                    Step::LargeObject
                } else {
                    Step::Piece {
                        is_large_object: false,
                    }
                }
            }
            (Step::LargeObject, Value::Number(0)) => Step::Block,
            (Step::LargeObject, Value::Number(object)) => {
                self.contents.large_object(object);
                Step::Piece {
                    is_large_object: true,
                }
            }
            // A piece of no length is the end of a table's data, or of a large object.
            (Step::Piece { is_large_object }, Value::Number(0)) => {
                if is_large_object {
                    Step::LargeObject
                } else {
                    Step::Block
                }
            }
            (step @ Step::Piece { .. }, Value::Number(length)) => {
                self.skip_bytes = u64::try_from(length)
                    .map_err(|_| self.senseless("a piece is shorter than nothing"))?;
                step
            }
            _ => return Err(self.out_of_order()),
        })
    }

    fn out_of_order(&self) -> Error {
        self.senseless("it is read in the wrong order")
    }

    fn head(&mut self, head: &[u8]) -> Result<Step, Error> {
        let [
            b'P',
            b'G',
            b'D',
            b'M',
            b'P',
            major,
            minor,
            _,
            number,
            offset,
            kind,
        ] = *head
        else {
            return Err(not_a_dump(head));
        };
        if kind != 1 || !(1..=8).contains(&number) || !(1..=8).contains(&offset) {
            return Err(not_a_dump(head));
        }
        (self.number_bytes, self.offset_bytes) = (number.into(), offset.into());
        self.minor = minor;
        Ok(if major != 1 || !MINORS.contains(&minor) {
            self.whole.unknown_format = Some(format!("{major}.{minor}"));
            Step::Unknown
        } else if minor >= 15 {
            Step::CompressionByte
        } else {
            Step::CompressionNumber
        })
    }

    fn next_item(&self) -> Step {
        if self.items_left > 0 {
            Step::Number
        } else {
            Step::Block
        }
    }

    pub(super) fn finish(self) -> Result<Whole, Error> {
        if self.at_byte == 0 {
            return Err(Error::Empty);
        }
        if self.step == Step::Unknown {
            return Ok(self.whole);
        }
        let magic = &self.field[..self.field.len().min(MAGIC.len())];
        if self.step == Step::Head && !MAGIC.starts_with(magic) {
            return Err(not_a_dump(&self.field));
        }
        if self.step != Step::Block || self.skip_bytes > 0 {
            return Err(Error::Cut {
                missing: "it ends in the middle",
            });
        }
        if !self.awaited.is_empty() {
            return Err(Error::Cut {
                missing: "the data of some tables is missing",
            });
        }
        Ok(self.whole)
    }
}

/// As many of `wanted` as there are.
fn within(wanted: u64, available: usize) -> usize {
    usize::try_from(wanted).map_or(available, |wanted| wanted.min(available))
}
