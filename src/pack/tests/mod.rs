//! Packs of real archives, read by fleet and by plain tools.

mod copying;
mod damage;
mod grouping;
mod plain;
mod writing;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::{Error, Order, PackOptions, PackSummary, PackWriter};
use crate::name::RemotePath;
use crate::tarstream::{Event, Kind, Member, MemberStream};

/// What hard links of `archive` lead to.
fn targets(archive: &[u8]) -> HashSet<RemotePath> {
    let mut stream = MemberStream::new(archive);
    let mut targets = HashSet::new();
    loop {
        match stream.next() {
            Ok(Event::Begin { head, .. }) => {
                if let Kind::HardLink { target } = &head.kind {
                    targets.insert(target.clone());
                }
            }
            Ok(Event::Finished) | Err(_) => return targets,
            Ok(Event::Data(_) | Event::Hole(_) | Event::End(_)) => {}
        }
    }
}

/// The bytes of each member of `archive`.
fn raw_members(archive: &[u8]) -> HashMap<RemotePath, Vec<u8>> {
    let mut stream = MemberStream::new(archive);
    let (mut members, mut bytes) = (HashMap::new(), Vec::new());
    loop {
        match stream.next().expect("an archive") {
            Event::Begin { raw, .. } => bytes = raw.to_vec(),
            Event::Data(data) => bytes.extend_from_slice(data),
            Event::Hole(_) => {}
            Event::End(member) => {
                members.insert(member.head.path, std::mem::take(&mut bytes));
            }
            Event::Finished => return members,
        }
    }
}

/// Writes all whole members of `archive` into `writer`, with their numbers. A cut archive is cut back.
fn copy_members(archive: &[u8], writer: &mut PackWriter) -> Result<Vec<(Member, usize)>, Error> {
    let targets = targets(archive);
    let mut stream = MemberStream::new(archive);
    let (mut members, mut number) = (Vec::new(), 0);
    loop {
        match stream.next() {
            Ok(Event::Begin { head, raw }) => {
                let is_free =
                    matches!(head.kind, Kind::File { .. }) && !targets.contains(&head.path);
                let order = if is_free {
                    free(raw.len())
                } else {
                    Order::Kept
                };
                number = writer.begin_member(raw.len() as u64 + head.stored_bytes, order)?;
                writer.write(raw)?;
            }
            Ok(Event::Data(bytes)) => writer.write(bytes)?,
            Ok(Event::Hole(_)) => {}
            Ok(Event::End(member)) => {
                writer.end_member()?;
                members.push((member, number));
            }
            Ok(Event::Finished) => return Ok(members),
            Err(_) => {
                writer.cut_back()?;
                return Ok(members);
            }
        }
    }
}

fn free(header_bytes: usize) -> Order {
    Order::Free { header_bytes }
}

/// Packs `archive` at `path`; gives the offsets of the members as well.
fn pack(archive: &[u8], path: &Path) -> (PackSummary, Vec<(Member, u64)>) {
    let mut writer = PackWriter::create(path, PackOptions::default()).expect("created");
    let members = copy_members(archive, &mut writer).expect("written");
    let summary = writer.finish().expect("finished");
    let placed = |(member, number): (Member, usize)| (member, summary.offsets[number]);
    let members = members.into_iter().map(placed).collect();
    (summary, members)
}

/// One member with `content`, as the host sends it.
fn raw_member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name).expect("a short name");
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// Bytes that compress a little and are never the same twice.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = dense_noise(length, seed);
    bytes.iter_mut().for_each(|byte| *byte &= 0x3f);
    bytes
}

/// Bytes that do not compress.
pub(super) fn dense_noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}
