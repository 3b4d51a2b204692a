//! Renames a member: its header blocks are rendered again under another name, or for a hard link also
//! with another target. Data stays as it is.
//!
//! Export renames the members of packs where a layout asks for it; [`Relocated`](super::Relocated) renames
//! every member of a foreign archive. What the extended header says beside names, numbers and times
//! (attributes, ACLs, records that fleet does not know) is kept byte by byte. A sparse file is written in
//! GNU's version 1.0, whatever form it came in.

use super::archive::Origin;
use super::blocks::Blocks;
use super::layout::{Form, padding};
use super::pax::records;
use super::{BLOCK_BYTES, Error, Head, Kind, header};
use crate::manifest::Owner;
use crate::name::RemotePath;

/// The new names of one member.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    /// Its new path.
    pub path: &'a RemotePath,
    /// The new target of a hard link; none for all other kinds.
    pub link: Option<&'a RemotePath>,
    /// Who owns it now; none: its owner stays.
    pub owner: Option<&'a Owner>,
}

impl Rename<'_> {
    /// The header blocks under the new names. `head` and `raw` are the member's own ones, as
    /// [`Event::Begin`](super::Event::Begin) gives them.
    ///
    /// # Errors
    ///
    /// [`Error`] if `raw` is not the header of a member.
    pub fn apply(&self, head: &Head, raw: &[u8]) -> Result<Vec<u8>, Error> {
        let kind = match self.link {
            Some(target) => Kind::HardLink {
                target: target.clone(),
            },
            None => head.kind.clone(),
        };
        match self.owner {
            None => headers(head, raw, self.path.clone(), kind),
            Some(owner) => {
                let owner = owner.clone();
                let head = Head {
                    owner,
                    ..head.clone()
                };
                headers(&head, raw, self.path.clone(), kind)
            }
        }
    }
}

/// The blocks in front of the data of the member with `head` and `raw` as its header, renamed to `path` and
/// changed to `kind`. They include the map of a sparse file that came in the header.
pub(super) fn headers(
    head: &Head,
    raw: &[u8],
    path: RemotePath,
    kind: Kind,
) -> Result<Vec<u8>, Error> {
    let refused = |why| Error::Extended { offset: 0, why };
    let mut blocks = Blocks::new(raw, BLOCK_BYTES);
    let parsed = header::read(&mut blocks, &mut Vec::new(), Origin::Archive)?;
    let parsed = parsed.ok_or_else(|| refused("belongs to no member"))?;
    let name = path.member().to_vec();
    let head = Head {
        path,
        kind,
        ..head.clone()
    };
    let real;
    let mut map = Vec::new();
    let mut kept = records(raw);
    kept.retain(|(key, _)| !is_rendered(key));
    let data_bytes = match parsed.layout.form() {
        Form::Plain { data_bytes } => data_bytes,
        Form::Sparse {
            data_bytes,
            real_bytes,
            regions,
        } => {
            if let Some(regions) = regions {
                map = sparse_map(&regions);
            }
            real = real_bytes.to_string();
            kept.extend([
                (&b"GNU.sparse.major"[..], &b"1"[..]),
                (b"GNU.sparse.minor", b"0"),
                (b"GNU.sparse.name", &name),
                (b"GNU.sparse.realsize", real.as_bytes()),
            ]);
            data_bytes + map.len() as u64
        }
    };
    let mut out = head
        .to_blocks_with(data_bytes, &kept)
        .ok_or_else(|| refused("can't be written anew"))?;
    out.extend(map);
    Ok(out)
}

/// True for the records that [`headers`] writes itself.
fn is_rendered(key: &[u8]) -> bool {
    let own: [&[u8]; 8] = [
        b"path",
        b"linkpath",
        b"size",
        b"mtime",
        b"uid",
        b"gid",
        b"uname",
        b"gname",
    ];
    own.contains(&key) || key.starts_with(b"GNU.sparse.")
}

/// The map in front of the data, padded to whole blocks.
fn sparse_map(regions: &[(u64, u64)]) -> Vec<u8> {
    let mut map = format!("{}\n", regions.len());
    for (offset, length) in regions {
        map.push_str(&format!("{offset}\n{length}\n"));
    }
    let mut map = map.into_bytes();
    map.resize(map.len() + padding(map.len() as u64), 0);
    map
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use tar::{EntryType, Header};

    use super::*;
    use crate::manifest::{FileTime, Owner};
    use crate::tarstream::render::{extended, push_record};
    use crate::tarstream::{Event, Member, MemberStream};

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
                    owner: None,
                };
                renamed.extend(
                    rename
                        .apply(&member.head, heading)
                        .expect("a member's blocks"),
                );
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
    fn other_records_are_kept_to_the_byte() {
        let mut body = Vec::new();
        push_record(&mut body, b"mtime", b"-1.5");
        push_record(&mut body, b"path", b"old");
        push_record(&mut body, b"SCHILY.xattr.user.\xff", b"=\n\0");
        push_record(&mut body, b"atime", b"7.125");
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(0);
        let raw = [extended(&body), {
            header.set_cksum();
            header.as_bytes().to_vec()
        }]
        .concat();
        let path = "/new".parse().expect("a path");
        let rename = Rename {
            path: &path,
            link: None,
            owner: None,
        };
        let anew = rename.apply(&head(), &raw).expect("a member's blocks");
        let expected = [
            (&b"path"[..], &b"new"[..]),
            (b"mtime", b"-1.500000000"),
            (b"uid", b"0"),
            (b"gid", b"0"),
            (b"uname", b""),
            (b"gname", b""),
            (b"SCHILY.xattr.user.\xff", b"=\n\0"),
            (b"atime", b"7.125"),
        ];
        assert_eq!(records(&anew), expected);
    }

    #[test]
    fn blocks_that_are_no_member_are_refused() {
        let path = "/new".parse().expect("a path");
        let rename = Rename {
            path: &path,
            link: None,
            owner: None,
        };
        for raw in [b"".to_vec(), extended(b"9 path=a\n"), vec![0; 1024]] {
            assert!(matches!(
                rename.apply(&head(), &raw),
                Err(Error::Cut { .. } | Error::Extended { .. })
            ));
        }
    }

    fn head() -> Head {
        Head {
            path: "/old".parse().expect("a path"),
            kind: Kind::File { size_bytes: 0 },
            mode: 0o644,
            owner: Owner::default(),
            mtime: FileTime::parse("-1.5").expect("a time"),
            stored_bytes: 0,
        }
    }
}
