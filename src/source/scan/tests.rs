//! Tests of the answers of real and of odd hosts.

use super::*;

fn parse(bytes: &[u8], piece: usize, gnu: bool) -> Result<Vec<Found>, Error> {
    let opening: &[u8] = if gnu { b"gnu 1700000000.5\0" } else { b"/\0" };
    let mut parser = Parser::new(&[]);
    let mut found = Vec::new();
    for piece in [opening, bytes].concat().chunks(piece) {
        parser.feed(piece, &mut found)?;
    }
    let opening = Opening {
        is_of_stat: false,
        has_facts: gnu,
        clock: FileTime::parse("1700000000.5").filter(|_| gnu),
    };
    assert_eq!(parser.finish()?, opening);
    Ok(found)
}

#[test]
fn an_answer_opens_with_what_it_is() {
    let read = |text: &[u8]| {
        let mut parser = Parser::new(&[]);
        parser.feed(text, &mut Vec::new())?;
        parser.finish()
    };
    assert!(matches!(read(b""), Err(Error::Cut)));
    assert!(matches!(read(b"gnu 17"), Err(Error::Cut)));
    assert!(matches!(read(b"f 644 0\0"), Err(Error::Record { .. })));
    let silent = read(b"gnu 17.N\0").expect("an opening");
    assert_eq!((silent.has_facts, silent.clock), (true, None));
    let plain = read(b"/\0").expect("an opening");
    assert_eq!((plain.has_facts, plain.clock), (false, None));
}

const TWO: &[u8] = b"f 4755 1000 33 5 1700000000.1234567890 -1.5000000000 12 2049 2 8 /a b\n\0\0\
                     !!l 777 0 0 3 1.0 2.0 13 2049 1 0 /l\0\xff\n\0";

#[test]
fn records_are_read_however_they_are_cut() {
    let whole = parse(TWO, usize::MAX, true).expect("records");
    for piece in 1..TWO.len() {
        assert_eq!(parse(TWO, piece, true).expect("records"), whole);
    }
    let file = whole[0].facts.clone().expect("facts");
    assert_eq!(whole[0].path.as_bytes(), b"/a b\n");
    assert_eq!(
        (file.kind, file.mode, file.uid, file.gid),
        (FileType::File, 0o4755, 1000, 33)
    );
    assert_eq!(
        file.mark,
        ScanMark {
            inode: 12,
            device: 2049,
            links: 2,
            size_bytes: 5,
            mtime: FileTime {
                seconds: 1_700_000_000,
                nanoseconds: 123_456_789
            },
            ctime: FileTime {
                seconds: -1,
                nanoseconds: 500_000_000
            },
        }
    );
    assert_eq!((file.blocks, file.readable), (8, true));
    let link = whole[1].facts.clone().expect("facts");
    assert_eq!(
        (link.kind, link.link, link.readable),
        (FileType::Symlink, b"\xff\n".to_vec(), false)
    );
}

#[test]
fn lines_of_stat_are_read_however_they_are_cut() {
    let answer = b"stat\0>/tree//\n41ed 0 0 40 1700000000 1700000001 11 2049 2 0 /tree//\n\
                   8bed 1000 33 5 -1 1700000001 12 2049 2 8 /tree/a b\n//\n\
                   a1ff 0 0 3 1 2 13 2049 1 0 /tree/l//\n";
    for piece in 1..answer.len() {
        let mut parser = Parser::new(&["/tree".parse().expect("a path")]);
        let mut found = Vec::new();
        for piece in answer.chunks(piece) {
            parser.feed(piece, &mut found).expect("records");
        }
        let opening = parser.finish().expect("an opening");
        assert!(opening.has_facts && opening.is_of_stat);
        let kinds: Vec<_> = found
            .iter()
            .map(|found| found.facts.as_ref().expect("facts").kind)
            .collect();
        assert_eq!(
            kinds,
            [FileType::Directory, FileType::File, FileType::Symlink]
        );
        assert_eq!(found[1].path.as_bytes(), b"/tree/a b\n");
        let file = found[1].facts.clone().expect("facts");
        assert_eq!((file.mode, file.uid, file.gid), (0o5755, 1000, 33));
        let mark = (file.mark.inode, file.mark.links, file.mark.size_bytes);
        assert_eq!(mark, (12, 2, 5));
        assert_eq!(
            (file.mark.mtime.seconds, file.mark.mtime.nanoseconds),
            (-1, 0)
        );
    }
    for wrong in ["x 0 0 0 0 0 0 0 0 0 /a", "81a4 0 0 0 0 0 0 0 0 /a", "81a4"] {
        let mut parser = Parser::new(&[]);
        let text = format!("stat\0{wrong}//\n");
        let outcome = parser.feed(text.as_bytes(), &mut Vec::new());
        assert!(matches!(outcome, Err(Error::Record { .. })), "{wrong}");
    }
}

#[test]
fn an_answer_that_ends_early_is_none() {
    for end in 1..TWO.len() {
        let outcome = parse(&TWO[..end], 7, true);
        let first_is_whole = TWO[..end].ends_with(b"\n\0\0");
        assert_eq!(matches!(outcome, Err(Error::Cut)), !first_is_whole, "{end}");
    }
}

#[test]
fn strangers_texts_are_refused() {
    for record in [
        &b"\0\0"[..],
        b"f\0\0",
        b"f 9 0 0 0 0 0 0 0 0 0 /a\0\0",
        b"f 644 0 0 -1 0 0 0 0 0 0 /a\0\0",
        b"f 644 0 0 0 x 0 0 0 0 0 /a\0\0",
        b"f 644 0 0 0 0 0 0 0 0 x /a\0\0",
        b"f 644 0 0 0 0 0 0 0 0 0 a\0\0",
        b"f 644 0 0 0 0 0 0 0 0 0 /a/../b\0\0",
    ] {
        let refused = parse(record, 3, true).map_err(|error| match error {
            Error::Record { .. } | Error::TooLong { .. } | Error::Path(_) => "refused",
            Error::Cut => "cut",
        });
        assert_eq!(refused, Err("refused"), "{}", escape(record));
    }
}

#[test]
fn what_the_host_resolved_comes_as_it_was_asked_for() {
    let path = |text: &str| text.parse::<RemotePath>().expect("a path");
    let asked = [path("/app/current/x"), path("/var/run"), path("/etc")];
    for piece in 1..60 {
        let mut parser = Parser::new(&asked);
        let mut found = Vec::new();
        let answer = b"/\0>/app/releases/5/x\0/app/releases/5/x/f\0\
                       >/\0/x.pid\0/\0>/etc\0/etc/run\0";
        for piece in answer.chunks(piece) {
            parser.feed(piece, &mut found).expect("records");
        }
        let paths: Vec<String> = found.iter().map(|f| f.path.to_string()).collect();
        assert_eq!(
            paths,
            ["/app/current/x/f", "/var/run/x.pid", "/var/run", "/etc/run"]
        );
        let elsewhere = [("/app/current/x", "/app/releases/5/x"), ("/var/run", "/")];
        let elsewhere = elsewhere.map(|(asked, real)| Resolved {
            asked: path(asked),
            real: path(real),
        });
        assert_eq!(parser.resolved(), elsewhere);
        let back = elsewhere[1].to_real(&path("/var/run/x.pid"));
        assert_eq!(back, Some(path("/x.pid")));
        assert_eq!(elsewhere[1].to_real(&path("/var/running")), None);
    }
    let mut parser = Parser::new(&asked);
    let outside = parser.feed(b"/\0>/srv\0/app/current/x/f\0", &mut Vec::new());
    assert!(matches!(outside, Err(Error::Record { .. })));
    let long = [b"/\0>/", "d".repeat(5000).as_bytes(), b"\0"].concat();
    let long = Parser::new(&asked).feed(&long, &mut Vec::new());
    assert!(matches!(long, Err(Error::Record { .. })));
    let mut parser = Parser::new(&asked[..1]);
    let more = parser.feed(b"gnu 1\0>/a\0\0>/b\0\0", &mut Vec::new());
    assert!(matches!(more, Err(Error::Record { .. })));
}

#[test]
fn a_flood_without_an_end_is_refused() {
    let flood = vec![b'x'; RECORD_LENGTH_MAX_BYTES + 1];
    let refused = parse(&flood, 1 << 16, true);
    assert!(matches!(refused, Err(Error::Record { record }) if record.len() == 200));
}

#[test]
fn of_what_is_too_deep_the_topmost_directory_is_given_once() {
    let top = format!("/{}", "d/".repeat(2048));
    let record = |path: &str| format!("d 755 0 0 0 1.0 1.0 1 1 2 8 {path}\0\0");
    // The last path that can be opened, the first that can't, and two beneath it.
    let fits = top.trim_end_matches('/').to_owned();
    let text = [
        record(&fits),
        record(&format!("{top}e")),
        record(&format!("{top}e/{}", "f/g".repeat(1000))),
        record(&format!("{top}e/h")),
        record("/z"),
    ];
    let found = parse(text.concat().as_bytes(), 1000, true).expect("records");
    let paths: Vec<&[u8]> = found.iter().map(|f| f.path.as_bytes()).collect();
    let too_deep = format!("{top}e");
    assert_eq!(paths, [fits.as_bytes(), too_deep.as_bytes(), b"/z"]);
}

#[test]
fn names_and_links_that_no_file_system_takes_are_refused() {
    let longest = "x".repeat(4096);
    let record = |name: &str, link: &str| format!("l 777 0 0 3 1.0 2.0 13 1 1 0 /{name}\0{link}\0");
    let fine = record(&longest, &longest);
    assert_eq!(
        parse(fine.as_bytes(), 512, true).expect("a record").len(),
        1
    );
    for (name, link, what) in [
        (longest.clone() + "x", String::new(), "a name"),
        ("a".to_owned(), longest.clone() + "x", "a link with a text"),
    ] {
        let refused = parse(record(&name, &link).as_bytes(), 512, true);
        let text = refused.expect_err("refused").to_string();
        let begin = format!("{what} of more than 4096 bytes in find's output: `/");
        assert!(text.starts_with(&begin) && text.len() < 300, "{text}");
    }
    let plain = parse(format!("/{longest}x\0").as_bytes(), 512, false);
    assert!(matches!(plain, Err(Error::TooLong { .. })));
}

#[test]
fn other_finds_tell_just_paths() {
    let found = parse(b"/a\0/a/b\n\0", 2, false).expect("paths");
    let paths: Vec<&[u8]> = found.iter().map(|f| f.path.as_bytes()).collect();
    assert_eq!(paths, [&b"/a"[..], b"/a/b\n"]);
}
