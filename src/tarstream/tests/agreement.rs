//! Tests that an accepted archive means the same to GNU tar.

use std::io::Write as _;
use std::process::{Command, Stdio};

use tar::Header;

use super::super::sample::{read_all, sh};
use super::super::{Kind, Member};

/// Type, owner, size and name of each member, as `tar -tv` prints them.
fn listed_by_tar(archive: &[u8]) -> Vec<String> {
    let mut tar = Command::new("tar")
        .args(["--numeric-owner", "--quoting-style=escape", "-tvf", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tar runs");
    let mut input = tar.stdin.take().expect("a pipe");
    input.write_all(archive).expect("a pipe holds it");
    drop(input);
    let output = tar.wait_with_output().expect("tar ends");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            // A time beyond all calendars is printed as one number, without a clock.
            let date_words = if words[4].contains(':') { 2 } else { 1 };
            let name = words.get(3 + date_words..).unwrap_or_default().join(" ");
            let name = name.trim_end_matches('/');
            format!("{} {} {} {name}", &line[..1], words[1], words[2])
        })
        .collect()
}

/// The same for `members`.
fn listed_by_fleet(members: &[Member]) -> Vec<String> {
    members
        .iter()
        .map(|member| {
            let head = &member.head;
            let name = escaped(head.path.member());
            let (kind, size, arrow) = match &head.kind {
                Kind::File { size_bytes } => ("-", size_bytes.to_string(), String::new()),
                Kind::HardLink { target } => (
                    "h",
                    "0".to_owned(),
                    format!(" link to {}", escaped(target.member())),
                ),
                Kind::Directory => ("d", "0".to_owned(), String::new()),
                Kind::Symlink { target } => {
                    ("l", "0".to_owned(), format!(" -> {}", escaped(target)))
                }
                Kind::Fifo => ("p", "0".to_owned(), String::new()),
                Kind::CharDevice { major, minor } => {
                    ("c", format!("{major},{minor}"), String::new())
                }
                Kind::BlockDevice { major, minor } => {
                    ("b", format!("{major},{minor}"), String::new())
                }
            };
            let owner = format!("{}/{}", head.owner.uid, head.owner.gid);
            let line = format!("{kind} {owner} {size} {name}{arrow}");
            let words: Vec<&str> = line.trim_end_matches('/').split_whitespace().collect();
            words.join(" ")
        })
        .collect()
}

/// As `--quoting-style=escape` has it, for the few odd bytes below.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("\\{other:03o}")),
        }
    }
    text
}

/// Which bytes of an archive are changed.
struct Changes {
    places: std::ops::Range<usize>,
    /// The header block that needs a new checksum.
    header: std::ops::Range<usize>,
    values: &'static [u8],
    /// How many of the values are tried at each place, in turn.
    tries: usize,
}

/// Compares both readers on every changed archive that fleet accepts; gives how many those were.
fn compare(whole: &[u8], changes: &Changes) -> usize {
    let mut accepted = 0;
    for place in changes.places.clone() {
        for value in changes
            .values
            .iter()
            .cycle()
            .skip(place * 3)
            .take(changes.tries)
        {
            let mut archive = whole.to_vec();
            archive[place] = *value;
            let block = &mut archive[changes.header.clone()];
            let mut header = Header::from_byte_slice(block).clone();
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
            if let Ok(members) = read_all(&archive) {
                assert_eq!(
                    listed_by_fleet(&members),
                    listed_by_tar(&archive),
                    "byte {place} is {value:#x}"
                );
                accepted += 1;
            }
        }
    }
    accepted
}

#[test]
fn no_changed_header_byte_means_one_thing_here_and_another_to_tar() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = sh(
        dir.path(),
        "mkdir d; printf data > d/file; touch d/z
         tar --format=ustar --no-recursion --owner=0 --group=0 -cf - d d/file d/z",
    );
    let changes = Changes {
        places: 512..1024,
        header: 512..1024,
        values: b"\0 0178/x\x80\xff",
        tries: 2,
    };
    let accepted = compare(&archive, &changes);
    assert!(accepted > 300, "{accepted}");
}

#[test]
fn no_changed_byte_of_an_extended_header_means_one_thing_here_and_another_to_tar() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = sh(
        dir.path(),
        "mkdir d; truncate -s 20000 d/sparse; ln -s $(printf 'a%.0s' {1..120}) d/link
         tar --format=posix -S --no-recursion --owner=3000000 --group=3000000 -cf - d/link d/sparse",
    );
    // Extended header, its body, the link; extended header and body of the sparse file, its header,
    // its map.
    for body in [512..1024, 2048..2560, 3072..3584] {
        let changes = Changes {
            header: body.start - 512..body.start,
            places: body,
            values: b"\0 019=\n/x\xff",
            tries: 1,
        };
        let accepted = compare(&archive, &changes);
        assert!(accepted > 100, "{accepted}");
    }
}
