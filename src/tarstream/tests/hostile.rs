//! Tests of archives that no honest tar makes.

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::super::sample::{archive, make_tree, read_all};
use super::super::{Error, Event, MemberStream};

/// A header block that is right in all but what `change` does to it.
fn block(name: &[u8], kind: u8, size: u64, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    change(&mut header);
    header.set_cksum();
    header.as_bytes().to_vec()
}

fn member(name: &[u8], kind: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = block(name, kind, data.len() as u64, |_| {});
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn link(name: &[u8], kind: u8, target: &[u8]) -> Vec<u8> {
    block(name, kind, 0, |h| {
        h.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    })
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions(records.iter().copied())
        .expect("into memory");
    let mut bytes = builder.into_inner().expect("into memory");
    bytes.truncate(bytes.len() - 1024);
    bytes
}

fn sparse(real: &str, map: &str, data: usize) -> Vec<u8> {
    let mut content = map.as_bytes().to_vec();
    content.resize(content.len().next_multiple_of(512), 0);
    content.resize(content.len() + data, b'x');
    [
        pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.realsize", real.as_bytes()),
        ]),
        member(b"GNUSparseFile.1/s", b'0', &content),
    ]
    .concat()
}

/// The error for an archive with these members and a right end.
fn said(members: &[Vec<u8>]) -> String {
    let mut bytes = members.concat();
    bytes.resize(bytes.len() + 1024, 0);
    match read_all(&bytes) {
        Ok(members) => format!("{} members", members.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in [
        &b"/etc/passwd"[..],
        b"../x",
        b"a/../b",
        b"a//b",
        b"./a",
        b"",
    ] {
        let error = read_all(&member(name, b'0', b"")).expect_err("refused");
        assert!(matches!(error, Error::Name { offset: 0, .. }), "{error}");
        let long = [pax(&[("path", name)]), member(b"fine", b'0', b"")].concat();
        let error = read_all(&long).expect_err("refused");
        assert!(matches!(error, Error::Name { offset: 1024, .. }), "{error}");
    }
    let nul = [pax(&[("path", b"a\0b")]), member(b"fine", b'0', b"")].concat();
    let error = read_all(&nul).expect_err("refused");
    assert!(matches!(error, Error::Name { offset: 1024, .. }), "{error}");
}

#[test]
fn long_gnu_names_are_judged_like_others() {
    let long = member(b"././@LongLink", b'L', b"../../etc/passwd\0");
    assert_eq!(
        said(&[long, member(b"fine", b'0', b"")]),
        "the archive member at byte 1024 has a bad name"
    );
    let hidden = member(b"././@LongLink", b'L', b"a\0b");
    assert_eq!(
        said(&[hidden, member(b"fine", b'0', b"")]),
        "the extended header at byte 0 goes on after its end"
    );
    let link = member(b"././@LongLink", b'K', b"target\0");
    assert_eq!(said(&[link, block(b"l", b'2', 0, |_| {})]), "1 members");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_lie_is_refused_in_its_own_words() {
    let file = |name: &[u8]| member(name, b'0', b"data");
    let number = |field: &[u8]| {
        block(b"f", b'0', 0, |h| {
            h.as_old_mut().size[..field.len()].copy_from_slice(field);
        })
    };
    let cases: &[(&[Vec<u8>], &str)] = &[
        (&[], "0 members"),
        (&[file(b"a"), file(b"b")], "2 members"),
        (&[file(b"a"), file(b"a")], "`/a` is in the archive twice"),
        (
            &[file(b"a/")],
            "the archive member at byte 0 is not a directory, but its name `/a` ends with a slash",
        ),
        (
            &[member(b"d", b'5', b"data")],
            "`/d` is not a regular file, but declares 4 bytes of data",
        ),
        (
            &[member(b"v", b'V', b"")],
            "the archive member at byte 0 is of unknown type `V`",
        ),
        (
            &[member(b"v", 0xff, b"")],
            "the archive member at byte 0 is of unknown type `\\xff`",
        ),
        (
            &[member(b"c", b'7', b"")],
            "the archive member at byte 0 is of unknown type `7`",
        ),
        (
            &[member(b"g", b'g', b"9 path=a\n"), file(b"b")],
            "the archive has a global header at byte 0",
        ),
        (
            &[link(b"l", b'2', b"")],
            "the link `/l` has a bad target ``",
        ),
        (
            &[pax(&[("linkpath", b"a\0b")]), link(b"l", b'2', b"x")],
            "the link `/l` has a bad target `a\\u{0}b`",
        ),
        (
            &[link(b"l", b'1', b"/etc/passwd")],
            "the link `/l` has a bad target `/etc/passwd`",
        ),
        (
            &[link(b"l", b'1', b"a/")],
            "the link `/l` has a bad target `a/`",
        ),
        (
            &[pax(&[("path", b"a")])],
            "the extended header at byte 1024 belongs to no member",
        ),
        (
            &[pax(&[("path", b"a")]), pax(&[("path", b"b")]), file(b"c")],
            "the extended header at byte 1024 comes twice for one member",
        ),
        (
            &[
                pax(&[("path", b"a")]),
                member(b"L", b'L', b"b\0"),
                file(b"c"),
            ],
            "the extended header at byte 2048 is mixed with one of another dialect",
        ),
        (
            &[block(b"x", b'x', 2 << 20, |_| {})],
            "the extended header at byte 0 declares 2097152 bytes, more than 1048576",
        ),
        (
            &[pax(&[("size", b"18446744073709551615")]), file(b"a")],
            "`/a` declares an impossible size of 18446744073709551615 bytes",
        ),
        (
            &[pax(&[("size", b"-1")]), file(b"a")],
            "the extended header at byte 0 has a bad number",
        ),
        (
            &[pax(&[("size", b"5000")]), file(b"a")],
            "the archive stream ended early at byte 3072, inside `/a`",
        ),
        (
            &[block(b"a", b'0', 0, |_| {}), b"x".repeat(512)],
            "the archive header at byte 512 has a wrong checksum",
        ),
        (
            &[number(b"-1\0")],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(b"+1\0")],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(b"1 1")],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(&[b' '; 12])],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(&[0xff; 12])],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(&[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])],
            "the archive header at byte 0 has a bad size",
        ),
        (
            &[number(&[
                0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            ])],
            "`/f` declares an impossible size of 18446744073709551615 bytes",
        ),
        (
            &[block(b"f", b'0', 0, |h| h.as_old_mut().pad[6] = b'7')],
            "the archive header at byte 0 is in an unknown format",
        ),
        (
            &[vec![0; 512], file(b"a")],
            "the archive has a lone zero block at byte 0",
        ),
        (
            &[vec![0; 1024], file(b"a")],
            "data follows the end of the archive at byte 1024",
        ),
        (
            &[vec![0; 17 << 20]],
            "data follows the end of the archive at byte 17039360",
        ),
    ];
    for (members, text) in cases {
        assert_eq!(&said(members), text);
    }
}

#[test]
fn texts_that_no_system_takes_are_refused() {
    let long = |length: usize| "x".repeat(length).into_bytes();
    let of = |key: &str, value: &[u8]| said(&[pax(&[(key, value)]), link(b"l", b'2', b"t")]);
    for (key, longest, what) in [
        ("path", 4096, "a name"),
        ("linkpath", 4096, "a link target"),
        ("uname", 256, "a user or group"),
        ("gname", 256, "a user or group"),
    ] {
        assert_eq!(of(key, &long(longest)), "1 members", "{key}");
        let text = of(key, &long(longest + 1));
        let ending = format!(" has {what} of {} bytes, more than {longest}", longest + 1);
        assert!(text.ends_with(&ending), "{text}");
    }
    let gnu = member(b"././@LongLink", b'L', &long(5000));
    assert_eq!(
        said(&[gnu, member(b"fine", b'0', b"")]),
        "the archive member at byte 5632 has a name of 5000 bytes, more than 4096"
    );
}

#[test]
fn holes_are_hashed_step_by_step_between_the_data() {
    const HOLE: u64 = 200 << 20;
    let map = format!("2\n0\n512\n{}\n512\n", 512 + HOLE);
    let mut bytes = sparse(&(1024 + 2 * HOLE).to_string(), &map, 1024);
    bytes.resize(bytes.len() + 1024, 0);
    let walk = |mut stream: MemberStream<&[u8]>| {
        let (mut events, mut data) = (Vec::new(), 0);
        loop {
            match stream.next().expect("an archive") {
                Event::Begin { .. } => {}
                Event::Data(bytes) => data += bytes.len(),
                Event::Hole(zeros) => events.push((data, zeros)),
                Event::End(member) => {
                    assert_eq!(data as u64, member.head.stored_bytes);
                    return (events, member);
                }
                Event::Finished => unreachable!("the member comes first"),
            }
        }
    };
    let (step, rest) = (64 << 20, 8 << 20);
    // Map and first region, the hole, the second region, the hole behind it.
    let (events, member) = walk(MemberStream::new(&bytes));
    let at = |data| [(data, step), (data, step), (data, step), (data, rest)];
    assert_eq!(events, [at(1024), at(1536)].concat());
    assert_eq!(member.head.hole_bytes(), 2 * HOLE - 512);
    let mut hasher = crate::digest::Hasher::new();
    let zeros = vec![0; 1 << 20];
    for _ in 0..2 {
        hasher.update(&[b'x'; 512]);
        (0..HOLE >> 20).for_each(|_| hasher.update(&zeros));
    }
    assert_eq!(member.sha256, Some(hasher.finish()));
    let (events, member) = walk(MemberStream::new(&bytes[..]).without_digests());
    assert_eq!(events, [(1024, HOLE), (1536, HOLE)]);
    assert_eq!(member.sha256, None);
}

#[test]
fn sparse_maps_are_taken_only_if_they_fit() {
    for (real, map, data, text) in [
        ("2048", "1\n512\n512\n", 512, "1 members"),
        ("2048", "0\n", 0, "1 members"),
        ("2048", "2\n0\n512\n1024\n100\n", 612, "1 members"),
        (
            "2048",
            "2\n0\n100\n1024\n512\n",
            612,
            "the sparse map of `/s` has a region of odd length",
        ),
        (
            "2048",
            "2\n512\n512\n512\n512\n",
            1024,
            "the sparse map of `/s` overlaps or goes backwards",
        ),
        (
            "2048",
            "1\n2000\n512\n",
            512,
            "the sparse map of `/s` goes beyond the file",
        ),
        (
            "2048",
            "1\n18446744073709551615\n512\n",
            512,
            "the sparse map of `/s` goes beyond the file",
        ),
        (
            "2048",
            "1\n99999999999999999999\n0\n",
            0,
            "the sparse map of `/s` has an overflow",
        ),
        (
            "2048",
            "1\n0\n512\n",
            1024,
            "the sparse map of `/s` does not match the data",
        ),
        (
            "2048",
            "2\n0\n512\n",
            0,
            "the sparse map of `/s` holds something that is no number",
        ),
        (
            "2048",
            "9999999\n",
            0,
            "`/s` is sparse with more than 1048576 regions",
        ),
        (
            "2000000000000",
            "0\n",
            0,
            "`/s` declares 1999999999488 bytes of holes, more than 1099511627776",
        ),
    ] {
        assert_eq!(said(&[sparse(real, map, data)]), text, "{map:?}");
    }
    let half = [
        pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"s")]),
        member(b"s", b'0', b""),
    ];
    assert_eq!(
        said(&half),
        "the sparse file at byte 1024 of the archive is in an old form"
    );
    let unfinished = sparse("2048", &"1".repeat(3), 0);
    assert_eq!(
        said(&[unfinished]),
        "the sparse map of `/s` holds something that is no number"
    );
    let endless = format!("9\n{}", "1\n0\n".repeat(2)) + &"0".repeat(512 - 10);
    assert_eq!(
        said(&[sparse("2048", &endless, 0)]),
        "the sparse map of `/s` is longer than the data"
    );
}

#[test]
fn members_before_the_lie_arrived_whole() {
    let bytes = [member(b"a", b'0', b"data"), b"x".repeat(512)].concat();
    let mut stream = MemberStream::new(&bytes[..]);
    let mut whole = 0;
    let error = loop {
        match stream.next() {
            Ok(Event::End(_)) => whole += 1,
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(whole, 1);
    assert!(matches!(error, Error::Checksum { offset: 1024 }), "{error}");
}

#[test]
fn sizes_above_eight_gibibytes_come_from_the_extended_header() {
    let bytes = [
        pax(&[("size", b"9663676417")]),
        block(b"big", b'0', 0, |_| {}),
    ]
    .concat();
    let mut stream = MemberStream::new(&bytes[..]);
    let Ok(Event::Begin { head, .. }) = stream.next() else {
        assert_eq!(bytes, [0_u8; 0]);
        return;
    };
    assert_eq!(head.stored_bytes, 9_663_676_928);
}

#[test]
fn binary_numbers_are_read_from_old_headers() {
    let bytes = block(b"f", b'0', 0, |h| {
        h.set_uid(3_000_000);
        h.as_old_mut().mtime = [0xff; 12];
        h.as_old_mut().mtime[11] = 0xfe;
    });
    let mut stream = MemberStream::new(&bytes[..]);
    let Ok(Event::Begin { head, .. }) = stream.next() else {
        assert_eq!(bytes, [0_u8; 0]);
        return;
    };
    assert_eq!(head.owner.uid, 3_000_000);
    assert_eq!(head.mtime.seconds, -2);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        // The checksum stops nearly all of them; the next test goes deeper.
        drop(read_all(&bytes));
    }

    #[test]
    fn arbitrary_headers_with_right_checksums_never_panic(
        headers in proptest::collection::vec(
            (
                proptest::sample::select(b"0\x0012345678xgLKSV".to_vec()),
                proptest::collection::vec((0_usize..512, any::<u8>()), 0..6),
                "[0-9]{1,2} (path|size|mtime|GNU.sparse.realsize|linkpath)=[0-9a/.\n-]{0,9}\n",
                0_u64..700,
            ),
            1..6,
        )
    ) {
        let mut bytes = Vec::new();
        for (kind, changes, text, size) in headers {
            bytes.extend(block(b"name", kind, size, |h| {
                for (place, byte) in changes {
                    h.as_mut_bytes()[place] = byte;
                }
            }));
            bytes.extend(text.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        drop(read_all(&bytes));
    }
}

#[test]
fn no_flipped_byte_of_a_real_archive_panics() {
    let dir = tempfile::tempdir().expect("a folder");
    make_tree(dir.path());
    let whole = archive(dir.path());
    let members = read_all(&whole).expect("whole").len();
    let mut bytes = whole.clone();
    for place in (0..bytes.len()).step_by(53) {
        bytes[place] ^= 0x55;
        // A flip in a file's data or in the text of an extended header may go unnoticed here.
        if let Ok(found) = read_all(&bytes) {
            assert_eq!(found.len(), members, "{place}");
        }
        bytes[place] = whole[place];
    }
}
