//! Tests of entries as lines and back, and of lines that are no entries.

use super::*;
use crate::digest::Sha256;
use crate::manifest::{ContentRange, Extended, ScanMark};

fn entry(path: &[u8], kind: EntryKind) -> Entry {
    Entry {
        path: RemotePath::from_bytes(path).expect("a path"),
        kind,
        mode: 0o4755,
        owner: Owner {
            uid: 3_000_000,
            gid: 7,
            user: "größe".to_owned(),
            group: String::new(),
        },
        mtime: FileTime::parse("-1.5").expect("a time"),
        scan: Some(ScanMark {
            inode: 1,
            device: 2,
            links: 3,
            size_bytes: 4,
            mtime: FileTime::parse("5.000000001").expect("a time"),
            ctime: FileTime::parse("6").expect("a time"),
        }),
        content: vec![Piece {
            pack: "packs/20261121T101500Z/app.tar.zst"
                .parse()
                .expect("a pack"),
            member: path[1..].to_vec(),
            offset_bytes: 512,
            range: ContentRange::default(),
        }],
        extended: None,
        first_name: None,
        unstable: true,
    }
}

fn line(entry: &Entry) -> String {
    serde_json::to_string(&EntryRecord::from(entry)).expect("records are plain JSON")
}

fn read(line: &str) -> Result<Entry, RecordError> {
    serde_json::from_str::<EntryRecord>(line)
        .map_err(RecordError::of)?
        .try_into()
}

#[test]
fn every_kind_reads_back_what_was_written() {
    let sha256 = Sha256::of(b"x");
    let target = RemotePath::from_bytes(&b"/\xff"[..]).expect("a path");
    for kind in [
        EntryKind::File {
            size_bytes: u64::MAX,
            sha256,
        },
        EntryKind::HardLink {
            target,
            size_bytes: 1,
            sha256,
        },
        EntryKind::Directory,
        EntryKind::Symlink {
            target: b"../\xfe\n".to_vec(),
        },
        EntryKind::Symlink {
            target: b"plain".to_vec(),
        },
        EntryKind::Fifo,
        EntryKind::Socket,
        EntryKind::CharDevice { major: 5, minor: 1 },
        EntryKind::BlockDevice { major: 8, minor: 0 },
    ] {
        for path in [&b"/etc/x"[..], b"/a\xff\n b"] {
            let entry = entry(path, kind.clone());
            assert_eq!(read(&line(&entry)), Ok(entry));
        }
    }
}

#[test]
fn the_line_of_a_file_is_this() {
    let sha256 = Sha256::of(b"abc");
    insta::assert_snapshot!(line(&entry(b"/etc/x", EntryKind::File { size_bytes: 3, sha256 })), @r#"{"path":"/etc/x","type":"file","mode":"4755","uid":3000000,"gid":7,"user":"größe","group":"","mtime":"-1.500000000","size":3,"sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","content":[{"pack":"packs/20261121T101500Z/app.tar.zst","offset":512}],"unstable":true,"scan":{"inode":1,"device":2,"links":3,"size":4,"mtime":"5.000000001","ctime":"6"}}"#);
}

#[test]
fn extended_metadata_is_unknown_nothing_or_a_digest_of_each_class() {
    let mut entry = entry(b"/etc/x", EntryKind::Fifo);
    assert!(!line(&entry).contains("extended"), "unknown");
    entry.extended = Some(Extended::default());
    let text = line(&entry);
    assert!(text.contains(r#","extended":{},"#), "{text}");
    assert_eq!(read(&text), Ok(entry.clone()));
    let acl = Sha256::of(b"acl");
    entry.extended = Some(Extended::new([None, Some(acl), None, None]));
    let text = line(&entry);
    assert!(
        text.contains(&format!(r#","extended":{{"acl":"{acl}"}},"#)),
        "{text}"
    );
    assert_eq!(read(&text), Ok(entry));
}

#[test]
fn that_just_lines_were_kept_is_said() {
    let entry = entry(b"/etc/x", EntryKind::Fifo);
    let mut record = EntryRecord::from(&entry);
    record.kind = Kind::File;
    let line = serde_json::to_string(&record.into_extract()).expect("plain JSON");
    assert!(line.contains(r#","extract":true,"#), "{line}");
}

#[test]
fn what_the_scan_says_as_the_entry_does_is_left_out_and_read_where_it_is_there() {
    let sha256 = Sha256::of(b"abc");
    let kind = EntryKind::File {
        size_bytes: 3,
        sha256,
    };
    let mut file = entry(b"/etc/x", kind);
    let mark = ScanMark {
        inode: 1,
        device: 0,
        links: 1,
        size_bytes: 3,
        mtime: file.mtime,
        ctime: FileTime::parse("6").expect("a time"),
    };
    file.scan = Some(mark);
    let text = line(&file);
    let short = r#""scan":{"inode":1,"ctime":"6"}"#;
    let long = r#""scan":{"inode":1,"device":0,"links":1,"size":3,"mtime":"-1.5","ctime":"6"}"#;
    assert!(text.contains(short), "{text}");
    assert_eq!(read(&text.replace(short, long)), Ok(file.clone()));
    let named = text.replace(r#","offset""#, r#","member":"etc/x","offset""#);
    assert_eq!(read(&named), Ok(file.clone()));
    let elsewhere = text.replace(r#","offset""#, r#","member":"etc/y","offset""#);
    let elsewhere = read(&elsewhere).expect("an entry");
    assert_eq!(elsewhere.content[0].member, b"etc/y");
    assert!(line(&elsewhere).contains(r#""member":"etc/y""#));
    assert_eq!(read(&text), Ok(file));

    let mut directory = entry(b"/etc", EntryKind::Directory);
    directory.scan = Some(mark);
    let text = line(&directory);
    assert_eq!(
        read(&text.replace(r#""size":3,"#, "")),
        Err(RecordError::new("scan.size is missing"))
    );
    assert_eq!(read(&text), Ok(directory));
}

#[test]
fn ranges_are_written_where_a_piece_is_no_whole_member() {
    let sha256 = Sha256::of(b"abc");
    let size_bytes = 3;
    let mut file = entry(b"/etc/x", EntryKind::File { size_bytes, sha256 });
    let text = line(&file);
    assert!(text.contains(r#""offset":512}"#), "{text}");
    let range = |from_bytes, length_bytes| ContentRange {
        from_bytes,
        length_bytes,
    };
    for (range, fields) in [
        (range(2, Some(3)), r#""offset":512,"from":2,"bytes":3}"#),
        (range(2, None), r#""offset":512,"from":2}"#),
        (range(0, Some(3)), r#""offset":512,"bytes":3}"#),
    ] {
        file.content[0].range = range;
        let text = line(&file);
        assert!(text.contains(fields), "{text}");
        assert_eq!(read(&text), Ok(file.clone()));
    }
    let pipe = Entry {
        kind: EntryKind::Fifo,
        ..file
    };
    assert_eq!(
        read(&line(&pipe)),
        Err(RecordError::new("only files have content in pieces"))
    );
}

#[test]
fn unknown_fields_are_tolerated_and_broken_ones_are_not() {
    let sha256 = Sha256::of(b"abc");
    let good = entry(
        b"/etc/x",
        EntryKind::File {
            size_bytes: 3,
            sha256,
        },
    );
    let text = line(&good);
    assert_eq!(read(&text.replacen('{', r#"{"later":[1],"#, 1)), Ok(good));
    for (from, to, problem) in [
        (r#""path":"/etc/x","#, "", "path is missing"),
        (
            r#""path":"/etc/x""#,
            r#""path":"/etc/x","path_b64":"Lw==""#,
            "path is there twice",
        ),
        (
            r#""path":"/etc/x""#,
            r#""path_b64":"L""#,
            "path_b64: invalid length at 0",
        ),
        (
            r#""path":"/etc/x""#,
            r#""path":"/../x""#,
            "`/../x` is not an absolute path without empty, `.` or `..` components",
        ),
        (r#""size":3,"#, "", "size is missing"),
        (r#""mode":"4755""#, r#""mode":"9""#, "`9` is no mode"),
        (
            r#""mode":"4755""#,
            r#""mode":"17777""#,
            "`17777` is no mode",
        ),
        (r#""ctime":"6""#, r#""ctime":"six""#, "`six` is no time"),
        (
            "packs/2026",
            "packs/../2026",
            "`packs/../20261121T101500Z/app.tar.zst` is not a pack: expected `packs/STAMP/SOURCE.tar.zst`",
        ),
    ] {
        assert_eq!(
            read(&text.replace(from, to)),
            Err(RecordError::new(problem)),
            "{from}"
        );
    }
}
