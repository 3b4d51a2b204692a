//! The statements of a dump of roles that make the roles that are missing, and touch no other.

use std::collections::BTreeSet;

use super::sql::{Lexer, Piece, Statement, Token};

/// The roles of a checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Roles {
    statements: Vec<Statement>,
}

impl Roles {
    /// From a dump of roles and tablespaces.
    pub(super) fn of_text(text: &[u8]) -> Self {
        let mut statements = Vec::new();
        let mut lexer = Lexer::default();
        let mut take = |piece| {
            if let Piece::Statement(statement) = piece
                && !statement.is_cut
            {
                statements.push(statement);
            }
        };
        lexer.feed(text, &mut take);
        lexer.finish(&mut take);
        Self { statements }
    }

    /// Whether it has the role.
    pub(super) fn has(&self, role: &str) -> bool {
        self.statements
            .iter()
            .any(|one| one.begins(&["create", "role"]) && one.name_at(2) == Some(role))
    }

    /// Whether the role is a superuser.
    pub(super) fn is_superuser(&self, role: &str) -> bool {
        self.statements.iter().any(|one| {
            one.begins(&["alter", "role"])
                && one.name_at(2) == Some(role)
                && one.find(&["superuser"]).is_some()
        })
    }

    /// Of the roles `needed`, those that are not `there`, and the roles that they are members of.
    pub(super) fn missing(
        &self,
        needed: &BTreeSet<String>,
        there: &BTreeSet<String>,
    ) -> BTreeSet<String> {
        let mut missing: BTreeSet<String> = needed.difference(there).cloned().collect();
        loop {
            let more: Vec<String> = self
                .memberships()
                .filter(|(group, member, _)| missing.contains(*member) && !there.contains(*group))
                .map(|(group, ..)| group.to_owned())
                .filter(|group| !missing.contains(group))
                .collect();
            if more.is_empty() {
                return missing;
            }
            missing.extend(more);
        }
    }

    /// The statements that make the roles `missing`.
    pub(super) fn making(&self, missing: &BTreeSet<String>) -> String {
        let mut text = String::new();
        for statement in &self.statements {
            let is_of_one = |place: usize| {
                statement
                    .name_at(place)
                    .is_some_and(|role| missing.contains(role))
            };
            let is_wanted = (statement.begins(&["create", "role"]) && is_of_one(2))
                || (statement.begins(&["alter", "role"])
                    && is_of_one(2)
                    && statement.find(&["in", "database"]).is_none())
                || (statement.begins(&["comment", "on", "role"]) && is_of_one(3));
            if is_wanted {
                text += &statement.text();
            }
        }
        for (_, member, statement) in self.memberships() {
            if missing.contains(member) {
                text += &without_grantor(statement).text();
            }
        }
        text
    }

    /// `GRANT group TO member`: group, member and statement.
    fn memberships(&self) -> impl Iterator<Item = (&str, &str, &Statement)> {
        self.statements.iter().filter_map(|statement| {
            if !statement.begins(&["grant"]) || !statement.tokens.get(2)?.is("to") {
                return None;
            }
            Some((statement.name_at(1)?, statement.name_at(3)?, statement))
        })
    }
}

/// Whoever granted it need not be on another server.
fn without_grantor(statement: &Statement) -> Statement {
    let end = statement.find(&["granted", "by"]);
    let tokens: &[Token] = &statement.tokens[..end.unwrap_or(statement.tokens.len())];
    Statement {
        tokens: tokens.to_vec(),
        is_cut: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "SET default_transaction_read_only = off;\n\
        CREATE ROLE app;\nALTER ROLE app WITH NOSUPERUSER LOGIN CONNECTION LIMIT -1 PASSWORD 'SCRAM-SHA-256$4096:a==$b=';\n\
        CREATE ROLE \"group; x\";\nALTER ROLE \"group; x\" WITH NOSUPERUSER;\n\
        CREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER PASSWORD 'old';\n\
        ALTER ROLE app SET search_path TO 'a', 'b';\nCOMMENT ON ROLE app IS 'x';\n\
        GRANT \"group; x\" TO app WITH ADMIN OPTION GRANTED BY postgres;\nGRANT app TO postgres;\n\
        ALTER ROLE app IN DATABASE d SET x TO 'y';\nCREATE TABLESPACE t OWNER app LOCATION '/x';\n";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_missing_roles_are_made_and_no_other_is_touched() {
        let roles = Roles::of_text(TEXT.as_bytes());
        let there = set(&["postgres"]);
        let missing = roles.missing(&set(&["app", "postgres"]), &there);
        assert_eq!(missing, set(&["app", "group; x"]));
        assert_eq!(
            roles.making(&missing),
            "create role app;\n\
             alter role app with nosuperuser login connection limit - 1 password 'SCRAM-SHA-256$4096:a==$b=';\n\
             create role \"group; x\";\nalter role \"group; x\" with nosuperuser;\n\
             alter role app set search_path to 'a' , 'b';\ncomment on role app is 'x';\n\
             grant \"group; x\" to app with admin option;\n"
        );
        assert!(roles.has("app") && !roles.has("other"));
        assert!(roles.is_superuser("postgres") && !roles.is_superuser("app"));
        assert_eq!(roles.making(&BTreeSet::new()), "");
    }
}
