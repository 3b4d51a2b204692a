//! What a dump takes from the server that it is loaded into, and what is in it.

use std::collections::{BTreeMap, BTreeSet};

use super::sql::{Lexer, Piece, Statement, Token};
use crate::source::postgres::ArchiveItem;

/// What is known of a dump from reading it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpFacts {
    /// Roles that own something or may do something.
    pub roles: BTreeSet<String>,
    /// Extensions that it makes.
    pub extensions: BTreeSet<String>,
    /// Tablespaces that something is in.
    pub tablespaces: BTreeSet<String>,
    /// Whether it holds rows, and not definitions alone.
    pub has_rows: bool,
    /// How many rows it has of a table, by schema and name; empty for an archive, whose rows are
    /// compressed.
    pub rows: BTreeMap<(String, String), u64>,
    /// Something in it that no dump has: a command to psql, or a setting that changes how it is read.
    pub foreign: Option<String>,
}

/// Reads a dump as SQL text.
#[derive(Debug, Default)]
pub(super) struct TextReader {
    lexer: Lexer,
    facts: DumpFacts,
    /// The table whose rows come.
    table: Option<(String, String)>,
}

impl TextReader {
    /// Takes the next piece, of any length.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let Self {
            lexer,
            facts,
            table,
        } = self;
        lexer.feed(bytes, &mut |piece| facts.take(&piece, table));
    }

    /// The text has ended.
    pub(super) fn finish(self) -> DumpFacts {
        let Self {
            lexer,
            mut facts,
            mut table,
        } = self;
        if !lexer.finish(&mut |piece| facts.take(&piece, &mut table)) {
            facts.foreign = Some("it ends in the middle of a statement".to_owned());
        }
        facts
    }
}

/// What is known of an archive from its items.
pub(super) fn of_archive(items: &[ArchiveItem]) -> DumpFacts {
    let mut facts = DumpFacts::default();
    for item in items {
        let mut lexer = Lexer::default();
        let mut take = |piece: Piece| facts.take(&piece, &mut None);
        lexer.feed(&item.definition, &mut take);
        lexer.finish(&mut take);
        let is_database = matches!(item.kind.as_str(), "DATABASE" | "DATABASE PROPERTIES");
        if !item.owner.is_empty() && !is_database {
            facts.roles.insert(item.owner.clone());
        }
        facts.has_rows |= matches!(item.kind.as_str(), "TABLE DATA" | "BLOBS" | "BLOB DATA");
    }
    facts
}

impl DumpFacts {
    fn take(&mut self, piece: &Piece, table: &mut Option<(String, String)>) {
        match piece {
            Piece::Statement(statement) => {
                *table = self.statement(statement);
            }
            Piece::Row => {
                if let Some(count) = table.as_ref().and_then(|table| self.rows.get_mut(table)) {
                    *count += 1;
                }
            }
            Piece::Command(command) => {
                let shown = crate::name::escape(command.as_bytes());
                let shown: String = shown.chars().take(60).collect();
                self.foreign
                    .get_or_insert_with(|| format!("it holds the psql command `\\{shown}`"));
            }
        }
    }

    /// Takes note of a statement; the table whose rows follow, if it says so.
    fn statement(&mut self, statement: &Statement) -> Option<(String, String)> {
        self.roles.extend(roles_of(statement));
        let tokens = &statement.tokens;
        match tokens.first() {
            Some(first) if first.is("copy") => {
                self.has_rows = true;
                let table = table_of(tokens)?;
                self.rows.entry(table.clone()).or_default();
                return Some(table);
            }
            Some(first) if first.is("insert") => self.has_rows = true,
            Some(first) if first.is("create") && statement.begins(&["create", "extension"]) => {
                let named = statement.find(&["exists"]).map_or(2, |place| place + 1);
                self.extensions
                    .extend(statement.name_at(named).map(str::to_owned));
            }
            Some(first) if first.is("set") => self.setting(statement),
            Some(first) if first.is("select") && statement.find(&["lo_create"]).is_some() => {
                self.has_rows = true;
            }
            _ => {}
        }
        None
    }

    fn setting(&mut self, statement: &Statement) {
        if statement.begins(&["set", "standard_conforming_strings"])
            && !statement.tokens.last().is_some_and(is_on)
        {
            self.foreign
                .get_or_insert_with(|| "it turns `standard_conforming_strings` off".to_owned());
        }
        if statement.begins(&["set", "default_tablespace"]) {
            let name = match statement.tokens.last() {
                Some(Token::Literal(text)) => text.trim_matches('\''),
                Some(token) => token.name().unwrap_or_default(),
                None => "",
            };
            if !name.is_empty() {
                self.tablespaces.insert(name.to_owned());
            }
        }
    }
}

fn is_on(token: &Token) -> bool {
    token.is("on") || matches!(token, Token::Literal(text) if text == "'on'")
}

/// The table of `COPY schema.table (…) FROM stdin`.
fn table_of(tokens: &[Token]) -> Option<(String, String)> {
    match tokens {
        [_, schema, Token::Sign('.'), table, ..] => {
            Some((schema.name()?.to_owned(), table.name()?.to_owned()))
        }
        _ => None,
    }
}

/// The roles that a statement names.
pub(super) fn roles_of(statement: &Statement) -> Vec<String> {
    let tokens = &statement.tokens;
    let mut roles = Vec::new();
    let mut list_from = |place: usize| roles.extend(names_from(&tokens[place..]));
    if let Some(place) = statement.find(&["owner", "to"])
        && statement.begins(&["alter"])
    {
        list_from(place + 2);
    }
    if statement.begins(&["alter", "default", "privileges"])
        && let Some(place) = statement.find(&["for", "role"])
    {
        list_from(place + 2);
    }
    let may = |word: &str| {
        let last = tokens.iter().rposition(|token| token.is(word))?;
        (statement.begins(&["grant"])
            || statement.begins(&["revoke"])
            || statement.begins(&["alter", "default", "privileges"]))
        .then_some(last + 1)
    };
    let gives = statement.find(&["grant"]).is_some();
    if let Some(place) = may(if gives { "to" } else { "from" }) {
        list_from(place);
    }
    if statement.begins(&["create", "policy"])
        && let Some(place) = statement.find(&["to"])
    {
        list_from(place + 1);
    }
    for words in [
        &["create", "schema"][..],
        &["set", "session", "authorization"],
        &["create", "user", "mapping", "for"],
        &["alter", "role"],
    ] {
        if !statement.begins(words) {
            continue;
        }
        match words {
            ["create", "schema"] => {
                if let Some(place) = statement.find(&["authorization"]) {
                    list_from(place + 1);
                }
            }
            _ => list_from(words.len()),
        }
    }
    roles.retain(|role| {
        !matches!(
            role.as_str(),
            "public" | "default" | "current_user" | "session_user"
        )
    });
    roles
}

/// The names of a list with commas.
fn names_from(tokens: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    for pair in tokens.chunks(2) {
        match pair[0].name() {
            Some(name) => names.push(name.to_owned()),
            None => break,
        }
        if pair.get(1) != Some(&Token::Sign(',')) {
            break;
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> DumpFacts {
        let mut reader = TextReader::default();
        reader.feed(text.as_bytes());
        reader.finish()
    }

    #[test]
    fn a_dump_tells_what_it_takes() {
        let facts = of_text(
            "SET standard_conforming_strings = on;\nSET default_tablespace = 'fast disk';\nSET default_tablespace = '';\n\
             CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;\nCREATE EXTENSION \"uuid-ossp\";\n\
             CREATE FUNCTION f() AS $$ ALTER TABLE x OWNER TO nobody; $$;\n\
             ALTER TABLE public.t OWNER TO app;\nALTER FUNCTION public.f(a int) OWNER TO \"It's\";\n\
             GRANT SELECT,INSERT ON TABLE public.t TO reader,\"R 2\" WITH GRANT OPTION;\n\
             REVOKE ALL ON SCHEMA public FROM PUBLIC;\nREVOKE ALL ON SCHEMA public FROM was;\n\
             ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT SELECT ON TABLES  TO user_of;\n\
             CREATE POLICY p ON public.t FOR SELECT TO watcher USING ((a > 0));\n\
             COPY public.t (a) FROM stdin;\n1\n2\n\\.\nCOPY public.\"U u\" (a) FROM stdin;\n\\.\n",
        );
        let set = |names: &[&str]| {
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(
            facts.roles,
            set(&[
                "app", "It's", "reader", "R 2", "was", "maker", "user_of", "watcher"
            ])
        );
        assert_eq!(facts.extensions, set(&["pg_trgm", "uuid-ossp"]));
        assert_eq!(facts.tablespaces, set(&["fast disk"]));
        assert!(facts.has_rows);
        let rows: Vec<_> = facts.rows.into_iter().collect();
        let key = |name: &str| ("public".to_owned(), name.to_owned());
        assert_eq!(rows, [(key("U u"), 0), (key("t"), 2)]);
        assert_eq!(facts.foreign, None);
    }

    #[test]
    fn what_no_dump_has_is_told() {
        for (text, says) in [
            ("\\! id\n", "it holds the psql command `\\! id`"),
            (
                "SET standard_conforming_strings = off;",
                "it turns `standard_conforming_strings` off",
            ),
            ("SELECT 'a", "it ends in the middle of a statement"),
        ] {
            assert_eq!(of_text(text).foreign.as_deref(), Some(says));
        }
        assert!(!of_text("CREATE TABLE t (a int);").has_rows);
    }
}
