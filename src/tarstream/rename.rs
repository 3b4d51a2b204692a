//! Renames a member: its header blocks are written anew, its data stays as it is.
//!
//! What headers say beside names (attributes, ACLs, the map of a sparse file, times, owners) is kept
//! byte by byte. Names are told in an extended header, whatever their length and dialect were.

use tar::{EntryType, Header};

use super::pax::split_record;
use super::{BLOCK_BYTES, layout};
use crate::name::RemotePath;

/// The new names of one member.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    /// Where it lies now.
    pub path: &'a RemotePath,
    /// Where the target of a hard link lies now; none for all other kinds.
    pub link: Option<&'a RemotePath>,
}

impl Rename<'_> {
    /// The header blocks that say so. `raw` are the member's own ones, as
    /// [`Event::Begin`](super::Event::Begin) gives them; none if they are not.
    #[must_use]
    pub fn apply(&self, raw: &[u8]) -> Option<Vec<u8>> {
        let mut rest = raw;
        let mut records = Vec::new();
        let mut name_key = &b"path"[..];
        loop {
            let (block, after) = rest.split_at_checked(BLOCK_BYTES)?;
            let header = Header::from_byte_slice(block);
            let kind = header.entry_type();
            if !is_extension(kind) {
                self.push_names(kind, name_key, &mut records);
                return Some([extended(&records), self.own_block(header)].concat());
            }
            let length = header.entry_size().ok()?;
            let body = after.get(..usize::try_from(length).ok()?)?;
            rest = after.get(body.len() + layout::padding(length)..)?;
            match kind {
                EntryType::XHeader => name_key = self.keep_records(body, &mut records)?,
                // The only long link that stays is the text of a symbolic link.
                EntryType::GNULongLink if self.link.is_none() => {
                    let end = body.iter().position(|&b| b == 0).unwrap_or(body.len());
                    push_record(&mut records, b"linkpath", &body[..end]);
                }
                _ => {}
            }
        }
    }

    /// Keeps the records that tell no name. Gives the key under which the name is told: a sparse file
    /// has one of its own.
    fn keep_records(&self, body: &[u8], records: &mut Vec<u8>) -> Option<&'static [u8]> {
        let mut name_key = &b"path"[..];
        let mut rest = body;
        while !rest.is_empty() {
            let (key, _, after) = split_record(rest)?;
            match key {
                b"path" => {}
                b"linkpath" if self.link.is_some() => {}
                b"GNU.sparse.name" => name_key = b"GNU.sparse.name",
                _ => records.extend_from_slice(&rest[..rest.len() - after.len()]),
            }
            rest = after;
        }
        Some(name_key)
    }

    fn push_names(&self, kind: EntryType, name_key: &[u8], records: &mut Vec<u8>) {
        let mut name = self.path.member().to_vec();
        if kind == EntryType::Directory {
            name.push(b'/');
        }
        push_record(records, name_key, &name);
        if let Some(link) = self.link {
            push_record(records, b"linkpath", link.member());
        }
    }

    /// The member's own header block. Its names are for those who know no extended headers.
    fn own_block(&self, header: &Header) -> Vec<u8> {
        let mut header = header.clone();
        let old = header.as_old_mut();
        fill(&mut old.name, self.path.member());
        if let Some(link) = self.link {
            fill(&mut old.linkname, link.member());
        }
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.prefix = [0; 155];
        }
        header.set_cksum();
        header.as_bytes().to_vec()
    }
}

fn is_extension(kind: EntryType) -> bool {
    matches!(
        kind,
        EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink
    )
}

/// An extended header with these records, padding included.
pub(super) fn extended(records: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    fill(&mut header.as_old_mut().name, b"PaxHeaders");
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_size(records.len() as u64);
    header.set_cksum();
    let padding = layout::padding(records.len() as u64);
    [header.as_bytes(), records, &vec![0; padding]].concat()
}

/// As much of `text` as the field takes, and zeros.
fn fill(field: &mut [u8; 100], text: &[u8]) {
    *field = [0; 100];
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// `LENGTH KEY=VALUE` and a newline; the length counts itself.
pub(super) fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let without = key.len() + value.len() + b" =\n".len();
    let mut length = without;
    loop {
        let whole = without + length.to_string().len();
        if whole == length {
            break;
        }
        length = whole;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::tarstream::{Event, Kind, Member, MemberStream};

    /// Header and data blocks of each member.
    fn members(archive: &[u8]) -> Vec<(Member, Vec<u8>, Vec<u8>)> {
        let mut stream = MemberStream::new(archive);
        let mut found = Vec::new();
        let (mut heading, mut data) = (Vec::new(), Vec::new());
        loop {
            match stream.next().expect("an archive") {
                Event::Begin { raw, .. } => (heading, data) = (raw.to_vec(), Vec::new()),
                Event::Data(bytes) => data.extend_from_slice(bytes),
                Event::Hole(_) => {}
                Event::End(member) => found.push((
                    member,
                    std::mem::take(&mut heading),
                    std::mem::take(&mut data),
                )),
                Event::Finished => return found,
            }
        }
    }

    fn tar(folder: &Path, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new("tar")
            .args(arguments)
            .current_dir(folder)
            .output()
            .expect("tar");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
        output.stdout
    }

    fn moved(path: &RemotePath) -> RemotePath {
        let place = [b"/elsewhere/", "d".repeat(120).as_bytes(), path.as_bytes()].concat();
        RemotePath::from_bytes(place).expect("a path")
    }

    #[test]
    fn members_of_every_dialect_read_back_under_their_new_names() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        let long = format!("in/{}/{}", "long".repeat(25), "name".repeat(30));
        fs::create_dir_all(root.join(&long)).expect("folders");
        fs::write(root.join(&long).join("f\nü"), b"content").expect("a file");
        fs::hard_link(root.join(&long).join("f\nü"), root.join("in/again")).expect("a link");
        std::os::unix::fs::symlink(&long, root.join("in/symlink")).expect("a link");
        let hollow = fs::File::create(root.join("in/hollow")).expect("a file");
        hollow.set_len(1 << 20).expect("its length");
        let dialects = [
            ("posix", &["--format=posix", "--sparse"][..]),
            ("gnu", &["--format=gnu"]),
        ];
        for (dialect, options) in dialects {
            let archive = tar(
                root,
                &[options, &["--sort=name", "-cf", "-", "in"]].concat(),
            );
            let before = members(&archive);
            let mut renamed = Vec::new();
            for (member, heading, data) in &before {
                let link = match &member.head.kind {
                    Kind::HardLink { target } => Some(moved(target)),
                    _ => None,
                };
                let rename = Rename {
                    path: &moved(&member.head.path),
                    link: link.as_ref(),
                };
                renamed.extend(rename.apply(heading).expect("a member's blocks"));
                renamed.extend_from_slice(data);
            }
            renamed.extend([0; 1024]);
            let after = members(&renamed);
            assert_eq!(after.len(), before.len());
            for ((was, _, _), (is, _, _)) in before.iter().zip(&after) {
                let mut expected = was.clone();
                expected.head.path = moved(&was.head.path);
                if let Kind::HardLink { target } = &mut expected.head.kind {
                    *target = moved(target);
                }
                assert_eq!(*is, expected, "{dialect}");
            }
            // And the machine's own tar takes it.
            let out = root.join(dialect);
            fs::create_dir(&out).expect("a folder");
            fs::write(out.join("x.tar"), &renamed).expect("an archive");
            tar(&out, &["-xpf", "x.tar"]);
            let file = out.join(format!("elsewhere/{}/in/again", "d".repeat(120)));
            assert_eq!(fs::read(file).ok().as_deref(), Some(&b"content"[..]));
            let hollow = out.join(format!("elsewhere/{}/in/hollow", "d".repeat(120)));
            assert_eq!(fs::read(hollow).ok(), Some(vec![0; 1 << 20]));
        }
    }

    #[test]
    fn what_is_no_name_is_kept_to_the_byte() {
        let mut records = Vec::new();
        push_record(&mut records, b"mtime", b"-1.5");
        push_record(&mut records, b"path", b"old");
        push_record(&mut records, b"SCHILY.xattr.user.\xff", b"=\n\0");
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(0);
        let raw = [extended(&records), {
            header.set_cksum();
            header.as_bytes().to_vec()
        }]
        .concat();
        let path = "/new".parse().expect("a path");
        let rename = Rename {
            path: &path,
            link: None,
        };
        let anew = rename.apply(&raw).expect("a member's blocks");
        let body = &anew[BLOCK_BYTES..];
        let expected = b"14 mtime=-1.5\n27 SCHILY.xattr.user.\xff==\n\0\n12 path=new\n";
        assert_eq!(&body[..expected.len()], expected);
        assert!(body[expected.len()..BLOCK_BYTES].iter().all(|&b| b == 0));
    }

    #[test]
    fn lengths_of_records_count_themselves() {
        for length in [0, 1, 80, 88, 89, 90, 91, 92, 980, 988, 989, 990, 991, 9_984] {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &vec![b'x'; length]);
            let (key, value, rest) = split_record(&records).expect("a record");
            assert_eq!((key, value.len(), rest), (&b"path"[..], length, &b""[..]));
        }
    }

    #[test]
    fn blocks_that_are_no_member_are_refused() {
        let path = "/new".parse().expect("a path");
        let rename = Rename {
            path: &path,
            link: None,
        };
        assert_eq!(rename.apply(b""), None);
        assert_eq!(rename.apply(&extended(b"9 path=a\n")), None);
        assert_eq!(rename.apply(&[0; 100]), None);
    }
}
