//! The header blocks of one member: extended headers, then the member's own.
//!
//! Where GNU tar and the `tar` crate could read a block differently, it is refused. Archives that some
//! tool wrote some time ago may have forms that no host is asked for: [`super::archive`] reads those.

use std::io::Read;

use tar::{EntryType, Header};

use super::archive::{self, Origin};
use super::attributes::Attributes;
use super::blocks::Blocks;
use super::layout::{self, Layout};
use super::pax::Pax;
use super::{
    ACCOUNT_MAX_BYTES, BLOCK_BYTES, EXTENDED_MAX_BYTES, Error, Head, Kind, NAME_MAX_BYTES,
};
use crate::manifest::{FileTime, Owner};
use crate::name::RemotePath;

/// A member's headers, and how its data makes up its content.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) layout: Layout,
    pub(super) attributes: Attributes,
}

/// What came before the member's own header block.
#[derive(Debug, Default)]
struct Extensions {
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

/// Reads the headers of the next member and puts their raw bytes into `raw`.
///
/// None when the two end-of-archive blocks were read instead.
pub(super) fn read<R: Read>(
    blocks: &mut Blocks<R>,
    raw: &mut Vec<u8>,
    origin: Origin,
) -> Result<Option<Parsed>, Error> {
    raw.clear();
    let mut before = Extensions::default();
    loop {
        let offset = blocks.offset();
        let block = next_block(blocks)?;
        if block == [0; BLOCK_BYTES] {
            if !raw.is_empty() {
                return Err(Error::Extended {
                    offset,
                    why: "belongs to no member",
                });
            }
            if next_block(blocks)? != [0; BLOCK_BYTES] {
                return Err(Error::LoneZeroBlock { offset });
            }
            return Ok(None);
        }
        let header = checked(&block, offset, origin)?;
        raw.extend_from_slice(&block);
        match header.entry_type() {
            EntryType::XHeader => {
                let body = read_body(blocks, raw, header, offset)?;
                let pax = Pax::parse(&body, offset)?;
                set_once(&mut before.pax, pax, offset)?;
            }
            EntryType::GNULongName => {
                let name = read_text(blocks, raw, header, offset)?;
                set_once(&mut before.long_name, name, offset)?;
            }
            EntryType::GNULongLink => {
                let name = read_text(blocks, raw, header, offset)?;
                set_once(&mut before.long_link, name, offset)?;
            }
            EntryType::XGlobalHeader if origin == Origin::Archive && raw.len() == BLOCK_BYTES => {
                let body = read_body(blocks, raw, header, offset)?;
                // As git writes it: a comment. What would change the members after it is refused.
                if Pax::parse(&body, offset)? != Pax::default() {
                    return Err(Error::GlobalHeader { offset });
                }
                raw.clear();
            }
            EntryType::XGlobalHeader => return Err(Error::GlobalHeader { offset }),
            EntryType::GNUSparse if origin == Origin::Host => {
                return Err(Error::OldSparse { offset });
            }
            EntryType::GNUSparse => {
                let map = archive::read_sparse_map(blocks, raw, header, offset)?;
                let mut parsed = parse(header, before, offset, origin)?;
                map.apply(&mut parsed, offset)?;
                return Ok(Some(parsed));
            }
            _ => return parse(header, before, offset, origin).map(Some),
        }
    }
}

pub(super) fn next_block<R: Read>(blocks: &mut Blocks<R>) -> Result<[u8; BLOCK_BYTES], Error> {
    blocks.block()?.ok_or_else(|| Error::Cut {
        offset: blocks.offset(),
        within: None,
    })
}

fn checked(block: &[u8; BLOCK_BYTES], offset: u64, origin: Origin) -> Result<&Header, Error> {
    let header = Header::from_byte_slice(block);
    let mut right = header.clone();
    right.set_cksum();
    match (header.cksum(), right.cksum()) {
        (Ok(is), Ok(should)) if is == should => {}
        (Ok(is), _) if origin == Origin::Archive && is == archive::signed_sum(block) => {}
        _ => return Err(Error::Checksum { offset }),
    }
    // GNU tar looks at five bytes and a NUL, the crate at all eight.
    let old = block[257..265] == [0; 8];
    if old || header.as_ustar().is_some() || header.as_gnu().is_some() {
        Ok(header)
    } else {
        Err(Error::Dialect { offset })
    }
}

/// Reads the body of an extended header, which grows `raw` only by what arrives.
fn read_body<R: Read>(
    blocks: &mut Blocks<R>,
    raw: &mut Vec<u8>,
    header: &Header,
    offset: u64,
) -> Result<Vec<u8>, Error> {
    let declared = stored_size(header, offset)?;
    if declared > EXTENDED_MAX_BYTES {
        return Err(Error::HeaderTooLong { offset, declared });
    }
    let length = usize::try_from(declared).expect("not over a mebibyte");
    let from = raw.len();
    while raw.len() - from < length {
        raw.extend_from_slice(&next_block(blocks)?);
    }
    Ok(raw[from..from + length].to_vec())
}

/// The body of a GNU long name: text that ends with NUL.
fn read_text<R: Read>(
    blocks: &mut Blocks<R>,
    raw: &mut Vec<u8>,
    header: &Header,
    offset: u64,
) -> Result<Vec<u8>, Error> {
    let mut body = read_body(blocks, raw, header, offset)?;
    let end = body.iter().position(|&b| b == 0).unwrap_or(body.len());
    if body[end..].iter().any(|&b| b != 0) {
        return Err(Error::Extended {
            offset,
            why: "goes on after its end",
        });
    }
    body.truncate(end);
    Ok(body)
}

fn set_once<T>(slot: &mut Option<T>, value: T, offset: u64) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Error::Extended {
            offset,
            why: "comes twice for one member",
        }),
    }
}

fn parse(
    header: &Header,
    before: Extensions,
    offset: u64,
    origin: Origin,
) -> Result<Parsed, Error> {
    if before.pax.is_some() && (before.long_name.is_some() || before.long_link.is_some()) {
        return Err(Error::Extended {
            offset,
            why: "is mixed with one of another dialect",
        });
    }
    let pax = before.pax.unwrap_or_default();
    let Some(sparse) = pax.sparse() else {
        return Err(Error::OldSparse { offset });
    };
    let name = match (sparse, &pax.path, &before.long_name) {
        (Some((name, _)), _, _) => name.into(),
        (None, Some(name), _) | (None, None, Some(name)) => name.as_slice().into(),
        (None, None, None) => header.path_bytes(),
    };
    not_longer("a name", &name, NAME_MAX_BYTES, offset)?;
    let path = member_path(&archive::tidy(&name, origin), offset)?;
    let link = match (&pax.link_path, &before.long_link) {
        (Some(link), _) | (None, Some(link)) => link.as_slice().into(),
        (None, None) => header.link_name_bytes().unwrap_or_default(),
    };
    not_longer("a link target", &link, NAME_MAX_BYTES, offset)?;
    let user = pax.user.as_deref().or_else(|| header.username_bytes());
    let group = pax.group.as_deref().or_else(|| header.groupname_bytes());
    for name in [user, group].into_iter().flatten() {
        not_longer("a user or group", name, ACCOUNT_MAX_BYTES, offset)?;
    }
    let declared = match pax.size {
        Some(size) => size,
        None => stored_size(header, offset)?,
    };
    let real_bytes = sparse.map_or(declared, |(_, real)| real);
    let link = match header.entry_type() {
        EntryType::Link => archive::tidy(&link, origin),
        _ => link,
    };
    let mut kind = kind(header, &path, &link, real_bytes, offset)?;
    if origin == Origin::Archive && name.ends_with(b"/") && kind == (Kind::File { size_bytes: 0 }) {
        // What tar did before it had a type for directories.
        kind = Kind::Directory;
    }
    if kind != Kind::Directory && name.ends_with(b"/") {
        return Err(Error::NamedAsDirectory { offset, path });
    }
    let Some(stored_bytes) = declared.checked_add(layout::padding(declared) as u64) else {
        return Err(Error::Size { path, declared });
    };
    let is_file = matches!(kind, Kind::File { .. });
    if !is_file && sparse.is_some() {
        return Err(Error::OldSparse { offset });
    }
    if !is_file && declared > 0 {
        return Err(Error::UnexpectedData { path, declared });
    }
    let layout = match sparse {
        None => Layout::plain(declared),
        Some((_, real_bytes)) => {
            layout::check_holes(&path, real_bytes.saturating_sub(declared))?;
            Layout::sparse(path.clone(), declared, real_bytes)
        }
    };
    let head = Head {
        kind,
        mode: number(header.mode().ok(), &header.as_old().mode, "mode", offset)? & 0o7777,
        owner: Owner {
            uid: account(pax.uid, header.uid().ok(), &header.as_old().uid, offset)?,
            gid: account(pax.gid, header.gid().ok(), &header.as_old().gid, offset)?,
            user: text(user),
            group: text(group),
        },
        mtime: pax.mtime.map_or_else(|| mtime(header, offset), Ok)?,
        stored_bytes,
        path,
    };
    Ok(Parsed {
        head,
        layout,
        attributes: Attributes::of(&pax.attributes),
    })
}

/// Each member is kept until the end of its archive: its description is bounded.
fn not_longer(what: &'static str, text: &[u8], max: usize, offset: u64) -> Result<(), Error> {
    if text.len() <= max {
        return Ok(());
    }
    Err(Error::LongName {
        offset,
        what,
        bytes: text.len(),
        max,
    })
}

fn member_path(name: &[u8], offset: u64) -> Result<RemotePath, Error> {
    let path = match name {
        // A host's root cannot be named without a leading slash in any other way.
        b"." | b"./" => RemotePath::from_bytes(b"/"),
        name => RemotePath::from_member(name),
    };
    path.map_err(|source| Error::Name { offset, source })
}

fn kind(
    header: &Header,
    path: &RemotePath,
    link: &[u8],
    size_bytes: u64,
    offset: u64,
) -> Result<Kind, Error> {
    let bad_target = || Error::LinkTarget {
        path: path.clone(),
        target: link.to_vec(),
    };
    let device = || -> Result<(u32, u32), Error> {
        let fields = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => Some((&ustar.dev_major, &ustar.dev_minor)),
            (None, Some(gnu)) => Some((&gnu.dev_major, &gnu.dev_minor)),
            (None, None) => None,
        };
        let (major, minor) = fields.ok_or(Error::Field {
            offset,
            field: "device number",
        })?;
        let numbers = (header.device_major(), header.device_minor());
        Ok((
            number(numbers.0.ok().flatten(), major, "device number", offset)?,
            number(numbers.1.ok().flatten(), minor, "device number", offset)?,
        ))
    };
    Ok(match header.entry_type() {
        EntryType::Regular | EntryType::GNUSparse => Kind::File { size_bytes },
        EntryType::Link => match RemotePath::from_member(link) {
            Ok(target) if !link.ends_with(b"/") => Kind::HardLink { target },
            Ok(_) | Err(_) => return Err(bad_target()),
        },
        EntryType::Symlink if link.is_empty() || link.contains(&0) => return Err(bad_target()),
        EntryType::Symlink => Kind::Symlink {
            target: link.to_vec(),
        },
        EntryType::Directory => Kind::Directory,
        EntryType::Fifo => Kind::Fifo,
        EntryType::Char => {
            let (major, minor) = device()?;
            Kind::CharDevice { major, minor }
        }
        EntryType::Block => {
            let (major, minor) = device()?;
            Kind::BlockDevice { major, minor }
        }
        other => {
            return Err(Error::UnknownType {
                offset,
                flag: other.as_byte(),
            });
        }
    })
}

pub(super) fn stored_size(header: &Header, offset: u64) -> Result<u64, Error> {
    let field = &header.as_old().size;
    match header.entry_size() {
        Ok(size) if is_plain_number(field) && !is_blank(field) => Ok(size),
        Ok(_) | Err(_) => Err(Error::Field {
            offset,
            field: "size",
        }),
    }
}

fn mtime(header: &Header, offset: u64) -> Result<FileTime, Error> {
    let field = &header.as_old().mtime;
    let bad = Error::Field {
        offset,
        field: "time",
    };
    let seconds = if field.starts_with(&[0xff; 4]) {
        // Binary and negative: two's complement over the whole field.
        header.mtime().ok().map(u64::cast_signed).filter(|&s| s < 0)
    } else {
        let seconds = number(header.mtime().ok(), field, "time", offset)?;
        i64::try_from(seconds).ok()
    };
    seconds.ok_or(bad).map(|seconds| FileTime {
        seconds,
        nanoseconds: 0,
    })
}

/// The number of a user or group, which systems keep in 32 bits.
fn account(pax: Option<u64>, read: Option<u64>, field: &[u8], offset: u64) -> Result<u64, Error> {
    let number = pax.map_or_else(|| number(read, field, "owner", offset), Ok)?;
    if number > u64::from(u32::MAX) {
        return Err(Error::Field {
            offset,
            field: "owner",
        });
    }
    Ok(number)
}

/// A number that the crate `read` from `field`; a blank field is zero.
fn number<T: Default>(
    read: Option<T>,
    field: &[u8],
    name: &'static str,
    offset: u64,
) -> Result<T, Error> {
    let number = if is_blank(field) {
        Some(T::default())
    } else {
        read.filter(|_| is_plain_number(field))
    };
    number.ok_or(Error::Field {
        offset,
        field: name,
    })
}

fn is_blank(field: &[u8]) -> bool {
    field.iter().all(|b| matches!(b, 0 | b' '))
}

/// Whether `field` is octal digits between blanks, or a binary number below 2⁶⁴.
pub(super) fn is_plain_number(field: &[u8]) -> bool {
    match field {
        [0x80, rest @ ..] => rest[..rest.len().saturating_sub(8)].iter().all(|&b| b == 0),
        field => {
            let start = field.iter().take_while(|&&b| b == b' ').count();
            let digits = field[start..]
                .iter()
                .take_while(|b| matches!(b, b'0'..=b'7'))
                .count();
            digits > 0 && is_blank(&field[start + digits..])
        }
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    bytes
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .unwrap_or_default()
        .to_owned()
}
