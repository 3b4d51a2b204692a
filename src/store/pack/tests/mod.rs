//! Packs of real archives, read by fleet and by plain tools.

mod adopting;
mod damage;
mod plain;
mod writing;

use std::path::Path;

use super::{Error, PackOptions, PackSummary, PackWriter};
use crate::tarstream::{Event, Member, MemberStream};

/// Writes all whole members of `archive` into `writer`, with their offsets. A cut archive is cut back.
fn copy_members(archive: &[u8], writer: &mut PackWriter) -> Result<Vec<(Member, u64)>, Error> {
    let mut stream = MemberStream::new(archive);
    let (mut members, mut offset) = (Vec::new(), 0);
    loop {
        match stream.next() {
            Ok(Event::Begin { head, raw }) => {
                offset = writer.begin_member(raw.len() as u64 + head.stored_bytes)?;
                writer.write(raw)?;
            }
            Ok(Event::Data(bytes)) => writer.write(bytes)?,
            Ok(Event::End(member)) => {
                writer.end_member()?;
                members.push((member, offset));
            }
            Ok(Event::Finished) => return Ok(members),
            Err(_) => {
                writer.cut_back()?;
                return Ok(members);
            }
        }
    }
}

/// Packs `archive` at `path`.
fn pack(archive: &[u8], path: &Path) -> (PackSummary, Vec<(Member, u64)>) {
    let mut writer = PackWriter::create(path, PackOptions::default()).expect("created");
    let members = copy_members(archive, &mut writer).expect("written");
    (writer.finish().expect("finished"), members)
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
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3] & 0x3f
        })
        .collect()
}
