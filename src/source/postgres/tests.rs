//! Tests of dumps: complete, cut, changed and forged ones, in pieces of every size.

use proptest::prelude::*;

use super::*;

fn normalised(content: Content, dump: &[u8], piece: usize) -> Result<(Vec<u8>, Whole), Error> {
    let mut normaliser = Normaliser::new(content);
    let mut out = Vec::new();
    for piece in dump.chunks(piece.max(1)) {
        normaliser.feed(piece, &mut out)?;
    }
    let whole = normaliser.finish(&mut out)?;
    Ok((out, whole))
}

fn text(content: Content, dump: &str) -> Result<String, Error> {
    let mut results = [1, 7, 64, 1 << 20].map(|piece| {
        normalised(content, dump.as_bytes(), piece)
            .map(|(out, _)| String::from_utf8(out).expect("text"))
    });
    let last = results[3].clone();
    for result in &mut results {
        assert_eq!(*result, last);
    }
    last
}

/// As pg_dump 15.18 writes it.
fn dump(server: &str, tool: &str, token: &str, body: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n\\restrict {token}\n\n\
         -- Dumped from database version {server}\n-- Dumped by pg_dump version {tool}\n\n\
         SET statement_timeout = 0;\n{body}\n--\n-- PostgreSQL database dump complete\n--\n\n\
         \\unrestrict {token}\n\n"
    )
}

/// As older ones write it.
fn old_dump(server: &str, tool: &str, body: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\n\
         -- Dumped from database version {server}\n-- Dumped by pg_dump version {tool}\n\n\
         SET statement_timeout = 0;\n{body}\n--\n-- PostgreSQL database dump complete\n--\n\n"
    )
}

/// As pg_dumpall writes it.
fn globals(token: Option<&str>, body: &str) -> String {
    let line = |word: &str| token.map_or(String::new(), |token| format!("\\{word} {token}\n\n"));
    format!(
        "--\n-- PostgreSQL database cluster dump\n--\n\n{}SET client_encoding = 'UTF8';\n{body}\n\n{}\
         --\n-- PostgreSQL database cluster dump complete\n--\n\n",
        line("restrict"),
        line("unrestrict")
    )
}

fn normal(body: &str) -> String {
    format!(
        "--\n-- PostgreSQL database dump\n--\n\nSET statement_timeout = 0;\n{body}\n--\n\
         -- PostgreSQL database dump complete\n--\n\n"
    )
}

#[test]
fn versions_and_tokens_are_taken_out_and_told() {
    let body = "CREATE TABLE t (a integer);\n";
    let first = dump("15.18 (Debian 15.18-0+deb12u1)", "15.18", "aB3", body);
    let later = dump("15.19", "16.2", "zz9", body);
    let old = old_dump("13.16", "13.16", body);
    for dump in [&first, &later, &old] {
        assert_eq!(text(Content::Database, dump), Ok(normal(body)));
    }
    let (_, whole) = normalised(Content::Database, first.as_bytes(), 3).expect("whole");
    assert_eq!(
        whole.server_version.as_deref(),
        Some("15.18 (Debian 15.18-0+deb12u1)")
    );
    assert_eq!(whole.tool_version.as_deref(), Some("15.18"));
    assert_eq!(whole.unknown_format, None);
}

/// As pg_dump 15.18 writes it with `--create`.
fn settings(token: &str, comment: &str) -> String {
    let connect = format!("\\unrestrict {token}\n\\connect app\n\\restrict {token}\n\n");
    let body = format!(
        "CREATE DATABASE app;\n\n{connect}COMMENT ON DATABASE app IS '{comment}';\n\n{connect}\
         GRANT CONNECT ON DATABASE app TO reader;\n"
    );
    dump("15.18", "15.18", token, &body)
}

#[test]
fn the_tokens_around_each_connect_are_taken_out_of_settings() {
    let long = "\\restrict ".repeat(1000);
    for comment in [
        "it''s\n\\unrestrict x\n\\restrict aB",
        "\n\\restrict aB33\n\\restrict aB3 \n",
        &long,
        &format!("\n{long}aB3\n"),
    ] {
        let body = format!(
            "CREATE DATABASE app;\n\n\\connect app\n\nCOMMENT ON DATABASE app IS '{comment}';\n\n\
             \\connect app\n\nGRANT CONNECT ON DATABASE app TO reader;\n"
        );
        let dump = settings("aB3", comment);
        assert_eq!(text(Content::Settings, &dump), Ok(normal(&body)));
        assert_eq!(
            text(Content::Settings, &old_dump("13.16", "13.16", &body)),
            Ok(normal(&body))
        );
    }
}

#[test]
fn settings_that_are_cut_are_never_whole() {
    let cut = Error::Cut {
        missing: "the line that ends every whole dump is missing",
    };
    let dump = settings("aB3", "x");
    for length in 1..dump.len() - 1 {
        let result = normalised(Content::Settings, &dump.as_bytes()[..length], 1 << 20);
        assert_eq!(result.map(|_| ()), Err(cut.clone()), "{length}");
    }
    for changed in [
        format!("{dump}x"),
        dump.replace("\\unrestrict aB3\n\n", ""),
        format!("{dump}\\restrict aB3\n"),
    ] {
        assert_eq!(text(Content::Settings, &changed), Err(cut.clone()));
    }
}

#[test]
fn rows_may_say_anything() {
    let rows = "COPY t (a) FROM stdin;\n\\restrict aB3\n\\unrestrict aB3\n\
                -- Dumped by pg_dump version 9\n--\n-- PostgreSQL database dump complete\n--\n\n\
                \\restrict x\n\\.\n";
    let long = rows.repeat(100);
    for body in [rows, &long] {
        let dump = dump("15.18", "15.18", "aB3", body);
        assert_eq!(text(Content::Database, &dump), Ok(normal(body)));
    }
}

#[test]
fn the_roles_lift_the_restriction_before_their_last_words() {
    let body = "CREATE ROLE \"it's\";\nCOMMENT ON ROLE x IS '\n\\unrestrict no\n';\n";
    let plain = globals(None, body);
    for token in [None, Some("aB3"), Some("zz9")] {
        assert_eq!(
            text(Content::Globals, &globals(token, body)),
            Ok(plain.clone())
        );
    }
}

#[test]
fn a_dump_that_is_cut_is_never_whole() {
    let cut = Error::Cut {
        missing: "the line that ends every whole dump is missing",
    };
    let bodies = [
        "CREATE TABLE t (a integer);\n".to_owned(),
        "x\n".repeat(2000),
    ];
    for body in bodies {
        for (content, dump, end) in [
            (Content::Database, dump("15", "15", "aB3", &body), 1),
            (Content::Database, old_dump("15", "15", &body), 1),
            (Content::Globals, globals(Some("aB3"), &body), 1),
        ] {
            // Without the last blank line it is as whole as with it.
            for length in 1..dump.len() - end {
                let result = normalised(content, &dump.as_bytes()[..length], 1 << 20);
                assert_eq!(result.map(|_| ()), Err(cut.clone()), "{length}");
            }
        }
    }
    for content in [Content::Database, Content::Globals, Content::Archive] {
        assert_eq!(normalised(content, b"", 1), Err(Error::Empty));
    }
}

#[test]
fn an_end_is_one_only_with_the_token_of_the_beginning() {
    let dump = dump("15", "15", "aB3", "x;\n");
    for changed in [
        dump.replace("\\unrestrict aB3", "\\unrestrict other"),
        dump.replace("\\unrestrict aB3\n\n", ""),
        dump.replace("\\restrict aB3\n\n", ""),
        dump.replace(
            "--\n-- PostgreSQL database dump complete",
            "x--\n-- PostgreSQL database dump complete",
        ),
    ] {
        assert!(
            matches!(text(Content::Database, &changed), Err(Error::Cut { .. })),
            "{changed}"
        );
    }
}

#[test]
fn something_else_is_no_dump() {
    for (content, other) in [
        (Content::Database, "pg_dump: what?\n"),
        (Content::Database, &globals(None, "")),
        (Content::Globals, &old_dump("15", "15", "")),
        (Content::Archive, "--\n-- PostgreSQL database dump\n--\n"),
        (Content::Archive, "hello\n"),
        (Content::Database, &"x".repeat(100_000)),
        (
            Content::Database,
            &format!(
                "--\n-- PostgreSQL database dump\n--\n{}",
                "--x\n".repeat(30_000)
            ),
        ),
    ] {
        let result = normalised(content, other.as_bytes(), 1 << 10);
        assert!(matches!(result, Err(Error::NotADump { .. })), "{result:?}");
    }
    assert_eq!(
        text(Content::Database, "\x1b[31mno\n").map_err(|error| error.to_string()),
        Err("the output is not a dump: it begins with `\\u{1b}[31mno`".to_owned())
    );
}

/// An archive as pg_dump writes it, with two tables and two large objects.
fn archive(minor: u8, time: [i32; 7]) -> Vec<u8> {
    let mut bytes = [b"PGDMP".as_slice(), &[1, minor, 0, 4, 8, 1]].concat();
    let number = |bytes: &mut Vec<u8>, number: i32| {
        bytes.push(u8::from(number < 0));
        bytes.extend(number.unsigned_abs().to_le_bytes());
    };
    let word = |bytes: &mut Vec<u8>, text: Option<&str>| match text {
        None => number(bytes, -1),
        Some(text) => {
            number(bytes, i32::try_from(text.len()).expect("short"));
            bytes.extend_from_slice(text.as_bytes());
        }
    };
    if minor >= 15 {
        bytes.push(1);
    } else {
        number(&mut bytes, -1);
    }
    for part in time {
        number(&mut bytes, part);
    }
    for text in ["app", "15.18 (Debian)", "15.17"] {
        word(&mut bytes, Some(text));
    }
    let items = [(5, false), (3000, true), (300, true), (17, true)];
    number(&mut bytes, 4);
    for (dump_id, has_data) in items {
        number(&mut bytes, dump_id);
        number(&mut bytes, has_data.into());
        for text in ["1259", "16385", "t", "TABLE DATA"] {
            word(&mut bytes, Some(text));
        }
        number(&mut bytes, 3);
        word(&mut bytes, Some("CREATE TABLE t ();\n"));
        word(&mut bytes, Some(""));
        word(&mut bytes, None);
        word(&mut bytes, Some("public"));
        word(&mut bytes, None);
        if minor >= 14 {
            word(&mut bytes, Some("heap"));
        }
        if minor >= 16 {
            number(&mut bytes, i32::from(b'r'));
        }
        word(&mut bytes, Some("owner"));
        word(&mut bytes, Some("false"));
        for need in [Some("3"), Some("5"), None] {
            word(&mut bytes, need);
        }
        bytes.push(1);
        bytes.extend([0; 8]);
    }
    for (dump_id, has_data) in items {
        if !has_data {
            continue;
        }
        if dump_id == 17 {
            bytes.push(3);
            number(&mut bytes, dump_id);
            for object in [70_000, 70_001] {
                number(&mut bytes, object);
                word(&mut bytes, Some("large object"));
                number(&mut bytes, 0);
            }
            number(&mut bytes, 0);
        } else {
            bytes.push(1);
            number(&mut bytes, dump_id);
            for length in [4096, 10] {
                word(&mut bytes, Some(&"d".repeat(length)));
            }
            number(&mut bytes, 0);
        }
    }
    bytes
}

const ONE_TIME: [i32; 7] = [59, 4, 23, 31, 11, 126, 0];
const OTHER_TIME: [i32; 7] = [0, 0, 0, 1, 6, 127, -1];

#[test]
fn archives_differ_by_their_time_alone() {
    for minor in 12..=16 {
        let (one, other) = (archive(minor, ONE_TIME), archive(minor, OTHER_TIME));
        assert_ne!(one, other);
        let expected = archive(minor, [0, 0, 0, 1, 0, 100, 0]);
        for piece in [1, 7, 64, 1 << 20] {
            for archive in [&one, &other] {
                let (out, whole) = normalised(Content::Archive, archive, piece).expect("whole");
                assert!(out == expected, "1.{minor} in pieces of {piece}");
                assert_eq!(whole.server_version.as_deref(), Some("15.18 (Debian)"));
                assert_eq!(whole.tool_version.as_deref(), Some("15.17"));
                assert_eq!(whole.unknown_format, None);
            }
        }
    }
}

#[test]
fn an_archive_that_is_cut_anywhere_is_never_whole() {
    for minor in [12, 14, 16] {
        let archive = archive(minor, ONE_TIME);
        for length in 1..archive.len() {
            let result = normalised(Content::Archive, &archive[..length], 1 << 20);
            assert!(
                matches!(result, Err(Error::Cut { .. })),
                "1.{minor} {length}: {:?}",
                result.map(|_| ())
            );
        }
        let more = [archive.as_slice(), b"\0"].concat();
        assert!(matches!(
            normalised(Content::Archive, &more, 9),
            Err(Error::Senseless {
                why: "a block is of no known kind",
                ..
            })
        ));
        // A block that came twice.
        let twice = [&archive[..], &[1, 0, 0xb8, 0x0b, 0, 0]].concat();
        assert!(matches!(
            normalised(Content::Archive, &twice, 9),
            Err(Error::Senseless {
                why: "a block belongs to no item",
                ..
            })
        ));
    }
}

#[test]
fn an_archive_of_a_newer_format_is_passed_on_as_it_is() {
    let newer = archive(17, ONE_TIME);
    let (out, whole) = normalised(Content::Archive, &newer, 5).expect("unknown");
    assert!(out == newer);
    assert_eq!(whole.unknown_format.as_deref(), Some("1.17"));
}

proptest! {
    #[test]
    fn any_body_comes_through_in_any_pieces(
        body in "([a-z\\\\ \n-]|\\\\restrict a\n|\\\\unrestrict aB3\n|--\n){0,400}",
        piece in 1_usize..3000,
    ) {
        let body = format!("{body}\n");
        for dump in [dump("15", "15", "aB3", &body), old_dump("15", "15", &body)] {
            let (out, _) = normalised(Content::Database, dump.as_bytes(), piece).expect("whole");
            prop_assert_eq!(String::from_utf8(out).expect("text"), normal(&body));
        }
    }

    #[test]
    fn nothing_that_comes_makes_an_archive_panic(
        at in 0_usize..2000, byte: u8, piece in 1_usize..300,
    ) {
        let mut archive = archive(14, ONE_TIME);
        let at = at % archive.len();
        archive[at] = byte;
        drop(normalised(Content::Archive, &archive, piece));
    }
}

#[test]
fn what_the_tools_say_is_understood() {
    let denied = "pg_dump: error: query failed: ERROR:  permission denied for table audit\n\
                  pg_dump: detail: Query was: LOCK TABLE public.audit IN ACCESS SHARE MODE\n";
    let too_old = "pg_dump: error: aborting because of server version mismatch\n\
                   pg_dump: detail: server version: 15.18 (Debian 1); pg_dump version: 13.16\n";
    let too_old_13 = "pg_dumpall: server version: 15.18; pg_dumpall version: 13.16\n\
                      pg_dumpall: aborting because of server version mismatch\n";
    let socket =
        "pg_dump: error: connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: ";
    for (stderr, told, is_not_there) in [
        (denied.to_owned(), "permission denied for table audit", false),
        (
            too_old.to_owned(),
            "the host's pg_dump is too old: it is version 13.16, the server 15.18 (Debian 1)",
            false,
        ),
        (
            too_old_13.to_owned(),
            "the host's pg_dumpall is too old: it is version 13.16, the server 15.18",
            false,
        ),
        (
            format!("{socket}No such file or directory\n\tIs the server running locally?\n"),
            "no PostgreSQL server is listening: connection to server on socket \
             \"/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory",
            true,
        ),
        (
            format!("{socket}Connection refused\n\tIs the server running locally?\n"),
            "the server can't be reached: connection to server on socket \
             \"/run/postgresql/.s.PGSQL.5432\" failed: Connection refused",
            false,
        ),
        (
            format!("\n\n{socket}FATAL:  database \"no\" does not exist\n"),
            "the server has no such database",
            true,
        ),
        (
            format!("{socket}FATAL:  password authentication failed for user \"x\"\n"),
            "PostgreSQL rejected the login: connection to server on socket \
             \"/run/postgresql/.s.PGSQL.5432\" failed: FATAL:  password authentication failed for user \"x\"",
            false,
        ),
        (
            format!("{socket}FATAL:  role \"root\" does not exist\n"),
            "PostgreSQL rejected the login: connection to server on socket \
             \"/run/postgresql/.s.PGSQL.5432\" failed: FATAL:  role \"root\" does not exist",
            false,
        ),
        (
            "pg_dump: error: connection to server at \"127.0.0.1\", port 5 failed: fe_sendauth: no password supplied\n".to_owned(),
            "PostgreSQL rejected the login: connection to server at \"127.0.0.1\", port 5 failed: \
             fe_sendauth: no password supplied",
            false,
        ),
        (
            "pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout\n".to_owned(),
            "a table stayed locked by another session: query failed: ERROR:  canceling statement due to statement timeout",
            false,
        ),
        (
            format!("{socket}FATAL:  Datenbank »no« existiert nicht\n"),
            "connection to server on socket \"/run/postgresql/.s.PGSQL.5432\" failed: FATAL:  \
             Datenbank »no« existiert nicht",
            false,
        ),
        ("pg_dump: warning: a\n\npg_dump: error: other\nhint\n".to_owned(), "other", false),
        ("sudo: no\n\n".to_owned(), "sudo: no", false),
        (
            "Error: You must install at least one postgresql-client-<version> package\n".to_owned(),
            "the host has no PostgreSQL client tools: Error: You must install at least one \
             postgresql-client-<version> package",
            true,
        ),
    ] {
        let complaint = complaint(stderr.as_bytes()).expect("it said something");
        assert_eq!(complaint.to_string(), told);
        assert_eq!(complaint.is_not_there(), is_not_there, "{told}");
    }
    assert_eq!(complaint(b"\n \n"), None);
}

#[test]
fn a_tool_that_is_too_old_is_told_with_what_to_install() {
    use crate::fault::Fault as _;
    let stderr = b"pg_dump: error: aborting because of server version mismatch\n\
                   pg_dump: detail: server version: 15.18 (Debian 1); pg_dump version: 13.16\n";
    assert_eq!(
        complaint(stderr)
            .and_then(|complaint| complaint.hint())
            .as_deref(),
        Some("Install the client tools of version 15 on the host, as `postgresql-client-15`.")
    );
}
