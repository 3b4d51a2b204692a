//! Tests of how the text of a dump is split.

use super::*;

fn pieces(text: &str, size: usize) -> (Vec<Piece>, bool) {
    let (mut found, mut lexer) = (Vec::new(), Lexer::default());
    for piece in text.as_bytes().chunks(size) {
        lexer.feed(piece, &mut |piece| found.push(piece));
    }
    let is_whole = lexer.finish(&mut |_| {});
    (found, is_whole)
}

fn shown(text: &str) -> Vec<String> {
    let once = pieces(text, 1 << 20);
    for size in [1, 2, 3, 7] {
        assert_eq!(pieces(text, size), once, "{size}");
    }
    assert!(once.1, "{text}");
    let show = |piece: Piece| match piece {
        Piece::Statement(statement) => statement.text().trim_end().to_owned(),
        Piece::Row => "row".to_owned(),
        Piece::Command(command) => format!("command {command}"),
    };
    once.0.into_iter().map(show).collect()
}

#[test]
fn statements_are_told_from_what_looks_like_them() {
    for (text, found) in [
        (
            "SELECT 1;\n-- x; y\n/* a; /* b */ ; */ SET x = 'a;b';\n",
            vec!["select 1;", "set x = 'a;b';"],
        ),
        (
            "COMMENT ON TABLE t IS 'it''s; a';",
            vec!["comment on table t is 'it''s; a';"],
        ),
        (
            "COMMENT ON TABLE t IS E'\\\\it\\'s; a''b';",
            vec!["comment on table t is E'\\\\it\\'s; a''b';"],
        ),
        (
            "ALTER TABLE \"A \"\"b\"\";\" OWNER TO \"it's\";",
            vec!["alter table \"A \"\"b\"\";\" owner to \"it's\";"],
        ),
        (
            "DO $$ a; $x$ b; $$; DO $x$ $$; $x $x$;",
            vec!["do $$ a; $x$ b; $$;", "do $x$ $$; $x $x$;"],
        ),
        (
            "SELECT a-1, b/2, $1 - -1;",
            vec!["select a - 1 , b / 2 , $1 - - 1;"],
        ),
        (
            "SELECT '';SELECT 'a' 'b';",
            vec!["select '';", "select 'a' 'b';"],
        ),
    ] {
        assert_eq!(shown(text), found, "{text}");
    }
}

#[test]
fn rows_are_counted_and_nothing_in_them_is_read() {
    let text = "COPY public.t (a) FROM stdin;\n1; DROP\n\\\\.\n\\N\n\\.\n\nCOPY public.u (a) FROM stdin;\n\\.\nSELECT 1;\n";
    let found = [
        "copy public . t ( a ) from stdin;",
        "row",
        "row",
        "row",
        "copy public . u ( a ) from stdin;",
        "select 1;",
    ];
    assert_eq!(shown(text), found);
}

#[test]
fn commands_to_psql_are_found_wherever_they_are() {
    assert_eq!(
        shown("SELECT 1 \\! id\n;\n\\connect app\n"),
        ["command ! id", "select 1;", "command connect app"]
    );
    assert_eq!(shown("SELECT '\\! id';"), ["select '\\! id';"]);
}

#[test]
fn a_text_that_ends_in_a_statement_is_not_whole() {
    for text in [
        "SELECT 1",
        "SELECT 'a;",
        "DO $$ a;",
        "COPY t FROM stdin;\n1\n",
    ] {
        assert!(!pieces(text, 100).1, "{text}");
    }
}

#[test]
fn of_a_long_statement_both_ends_are_kept() {
    let list = "1, ".repeat(5000);
    let (found, _) = pieces(
        &format!("INSERT INTO t VALUES ({list} 1) RETURNING stop;"),
        999,
    );
    let Some(Piece::Statement(statement)) = found.first() else {
        unreachable!("{found:?}");
    };
    assert!(statement.is_cut && statement.begins(&["insert", "into"]));
    assert!(
        statement
            .tokens
            .last()
            .is_some_and(|token| token.is("stop"))
    );
    assert!(statement.tokens.len() < 300);
}
