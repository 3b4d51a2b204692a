//! The statements that make a database: its owner, encoding, locale, comment, settings and grants, under
//! another name.

use std::collections::BTreeSet;

use super::dump::roles_of;
use super::sql::{Lexer, Piece, Statement, Token, quoted};
use crate::source::postgres::ArchiveItem;

/// The first version whose databases have a provider of locales.
const FIRST_WITH_PROVIDERS: u32 = 150_000;

/// How a database is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// Each with the place of the database's name.
    statements: Vec<(Statement, usize)>,
}

impl Settings {
    /// Of the database `name`, from a dump of its settings alone; none if they don't make it.
    pub(super) fn of_text(name: &str, text: &[u8]) -> Option<Self> {
        let mut statements = Vec::new();
        let mut lexer = Lexer::default();
        let mut take = |piece| {
            if let Piece::Statement(statement) = piece {
                statements.push(statement);
            }
        };
        lexer.feed(text, &mut take);
        lexer.finish(&mut take);
        Self::of(name, statements)
    }

    /// Of the database whose archive has these items.
    pub(super) fn of_archive(items: &[ArchiveItem]) -> Option<Self> {
        let made = items.iter().find(|item| item.kind == "DATABASE")?;
        let name = made.tag.as_str();
        let mut text = made.definition.clone();
        if !made.owner.is_empty() {
            let owner = format!(
                "ALTER DATABASE {} OWNER TO {};\n",
                quoted(name),
                quoted(&made.owner)
            );
            text.extend_from_slice(owner.as_bytes());
        }
        let tag = format!("DATABASE {name}");
        let quoted_tag = format!("DATABASE {}", quoted(name));
        for item in items {
            let is_of_it = match item.kind.as_str() {
                "DATABASE PROPERTIES" => true,
                "ACL" | "COMMENT" | "SECURITY LABEL" => item.tag == tag || item.tag == quoted_tag,
                _ => false,
            };
            if is_of_it {
                text.extend_from_slice(&item.definition);
                text.push(b'\n');
            }
        }
        Self::of_text(name, &text)
    }

    /// What a server makes of a database when nothing is said.
    pub(super) fn default_of(name: &str) -> Self {
        let words = [
            "create",
            "database",
            "",
            "with",
            "template",
            "=",
            "template0",
        ];
        let token = |word: &str| match word {
            "" => Token::Name(name.to_owned()),
            "=" => Token::Sign('='),
            word => Token::Word(word.to_owned()),
        };
        let statement = Statement {
            tokens: words.into_iter().map(token).collect(),
            is_cut: false,
        };
        Self {
            statements: vec![(statement, 2)],
        }
    }

    fn of(name: &str, statements: Vec<Statement>) -> Option<Self> {
        let mut own = Vec::new();
        for statement in statements {
            if statement.is_cut {
                return None;
            }
            if let Some(place) = place_of_name(&statement)
                && statement.name_at(place) == Some(name)
            {
                own.push((statement, place));
            }
        }
        let (first, _) = own.first()?;
        let is_of_template0 = first
            .find(&["template"])
            .is_some_and(|place| first.name_at(place + 2) == Some("template0"));
        (first.begins(&["create", "database"]) && is_of_template0)
            .then_some(Self { statements: own })
    }

    /// The statements that make it under the name `new`, for a server of that version.
    pub(super) fn making(&self, new: &str, server_number: u32) -> String {
        let mut text = String::new();
        for (statement, place) in &self.statements {
            let mut statement = statement.clone();
            statement.tokens[*place] = Token::Name(new.to_owned());
            if server_number < FIRST_WITH_PROVIDERS
                && let Some(provider) = statement.find(&["locale_provider"])
            {
                let end = statement.tokens.len().min(provider + 3);
                statement.tokens.drain(provider..end);
            }
            text += &statement.text();
        }
        text
    }

    /// Whether both make the same database. A server before 15 does not name the provider of its locales.
    pub(super) fn make_the_same_as(&self, other: &Self) -> bool {
        let has_provider = |one: &Self| one.option("locale_provider").is_some();
        let number = if has_provider(self) && has_provider(other) {
            FIRST_WITH_PROVIDERS
        } else {
            0
        };
        self.making("", number) == other.making("", number)
    }

    /// The roles that they name.
    pub(super) fn roles(&self) -> BTreeSet<String> {
        self.statements
            .iter()
            .flat_map(|(statement, _)| roles_of(statement))
            .collect()
    }

    /// The value of an option of `CREATE DATABASE`, without quotes.
    pub(super) fn option(&self, word: &str) -> Option<String> {
        let (made, _) = self.statements.first()?;
        let value = made.tokens.get(made.find(&[word])? + 2)?;
        Some(match value {
            Token::Literal(text) => text.trim_matches('\'').replace("''", "'"),
            other => other.name()?.to_owned(),
        })
    }
}

/// Where the statement names the database that it is about.
fn place_of_name(statement: &Statement) -> Option<usize> {
    if statement.begins(&["create", "database"]) || statement.begins(&["alter", "database"]) {
        return Some(2);
    }
    if statement.begins(&["alter", "role"]) {
        let place = statement.find(&["in", "database"])?;
        return (place == 3).then_some(place + 2);
    }
    let is_about = ["grant", "revoke", "comment", "security"]
        .iter()
        .any(|word| statement.begins(&[word]));
    is_about
        .then(|| statement.find(&["on", "database"]))
        .flatten()
        .map(|place| place + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SET client_encoding = 'UTF8';\nSELECT pg_catalog.set_config('search_path', '', false);\n\
        CREATE DATABASE \"a b\" WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE_PROVIDER = libc LOCALE = 'C';\n\
        ALTER DATABASE \"a b\" OWNER TO \"o'wner\";\n\\connect -reuse-previous=on \"dbname='a b'\"\n\
        COMMENT ON DATABASE \"a b\" IS E'it''s\\\\n';\nALTER DATABASE \"a b\" CONNECTION LIMIT = 7;\n\
        ALTER DATABASE \"a b\" SET search_path TO 'public', 'it''s';\n\
        ALTER ROLE reader IN DATABASE \"a b\" SET statement_timeout TO '5s';\n\
        REVOKE CONNECT,TEMPORARY ON DATABASE \"a b\" FROM PUBLIC;\nGRANT CONNECT ON DATABASE \"a b\" TO reader;\n\
        ALTER DATABASE other SET x TO 'y';\nDROP TABLE t;\n";

    #[test]
    fn a_database_is_made_under_another_name() {
        let settings = Settings::of_text("a b", TEXT.as_bytes()).expect("settings");
        assert_eq!(
            settings.making("new\"", 150_000),
            "create database \"new\"\"\" with template = template0 encoding = 'UTF8' locale_provider = libc locale = 'C';\n\
             alter database \"new\"\"\" owner to \"o'wner\";\n\
             comment on database \"new\"\"\" is E'it''s\\\\n';\n\
             alter database \"new\"\"\" connection limit = 7;\n\
             alter database \"new\"\"\" set search_path to 'public' , 'it''s';\n\
             alter role reader in database \"new\"\"\" set statement_timeout to '5s';\n\
             revoke connect , temporary on database \"new\"\"\" from public;\n\
             grant connect on database \"new\"\"\" to reader;\n"
        );
        let old = settings.making("new", 140_000);
        assert!(old.contains("encoding = 'UTF8' locale = 'C';"), "{old}");
        assert_eq!(settings.option("encoding").as_deref(), Some("UTF8"));
        assert_eq!(settings.option("locale").as_deref(), Some("C"));
        assert_eq!(settings.option("tablespace"), None);
        let roles: Vec<String> = settings.roles().into_iter().collect();
        assert_eq!(roles, ["o'wner", "reader"]);
    }

    #[test]
    fn a_server_before_15_names_no_provider_of_locales() {
        let of = |text: &str| Settings::of_text("a b", text.as_bytes()).expect("settings");
        let (newer, older) = (of(TEXT), of(&TEXT.replace(" LOCALE_PROVIDER = libc", "")));
        assert!(newer.make_the_same_as(&older) && older.make_the_same_as(&newer));
        assert!(!newer.make_the_same_as(&of(&TEXT.replace("libc", "icu"))));
        assert!(!older.make_the_same_as(&of(&TEXT.replace("LIMIT = 7", "LIMIT = 8"))));
    }

    #[test]
    fn settings_of_another_database_are_none() {
        assert_eq!(Settings::of_text("b", TEXT.as_bytes()), None);
        assert_eq!(
            Settings::of_text("a", b"CREATE DATABASE a WITH TEMPLATE = b;"),
            None
        );
        assert_eq!(
            Settings::of_text("a", b"ALTER DATABASE a OWNER TO b;"),
            None
        );
        let made = Settings::default_of("a").making("b", 150_000);
        assert_eq!(made, "create database \"b\" with template = template0;\n");
    }
}
