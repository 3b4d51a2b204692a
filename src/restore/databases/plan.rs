//! Decides what is done with each database of a checkpoint, why, and what is lost by it.

use std::collections::BTreeSet;

use super::access::ServerAccess;
use super::captured::{CapturedDatabase, CapturedDatabases};
use super::roles::Roles;
use super::server::{DatabaseRow, Inside, ServerFacts, Version, ask};
use super::settings::Settings;
use super::{Error, live};
use crate::name::{RestoreId, SourceName, escape};
use crate::ssh::ReadSession;
use crate::units::{count, size};

/// What the operator allows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PlanOptions {
    /// Databases that hold something may be replaced.
    pub replace: bool,
    /// A dump of a newer PostgreSQL may be loaded into an older one.
    pub older_server: bool,
    /// The restore that is planned again, if it had begun: what it has done is not in its own way.
    pub resumes: Option<RestoreId>,
}

/// What is done with the databases of a part.
#[derive(Debug, Clone)]
pub struct DatabasePlan {
    /// The part.
    pub part: SourceName,
    /// The version of the server.
    pub server_version: String,
    /// A number that no other server has; none where it may not be asked.
    pub system_identifier: Option<String>,
    /// The roles that are made, by name.
    pub roles: Vec<PlannedRole>,
    /// The databases, by name.
    pub databases: Vec<PlannedDatabase>,
    /// What the operator should know beside.
    pub warnings: Vec<String>,
    making_roles: String,
}

/// A role that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRole {
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub is_superuser: bool,
}

/// What is done with a database.
#[derive(Debug, Clone)]
pub struct PlannedDatabase {
    /// Its name.
    pub name: String,
    /// What is done.
    pub action: DatabaseAction,
    /// Why, for people.
    pub why: String,
    /// What will be lost, a sentence each.
    pub losses: Vec<String>,
    /// The length of its dump.
    pub size_bytes: u64,
    settings: Settings,
    server_number: u32,
}

/// What is done with a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseAction {
    /// It is made: there is none of that name.
    Create,
    /// It takes the place of an empty one.
    Load,
    /// It takes the place of one that holds something.
    Replace,
    /// Nothing: the live one is the same.
    Unchanged,
    /// Nothing, and the plan can't be executed.
    Refuse,
}

impl DatabaseAction {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Load => "load",
            Self::Replace => "replace",
            Self::Unchanged => "unchanged",
            Self::Refuse => "refuse",
        }
    }

    /// Whether the database is loaded and takes the name.
    #[must_use]
    pub fn changes(self) -> bool {
        matches!(self, Self::Create | Self::Load | Self::Replace)
    }
}

impl DatabasePlan {
    /// The statements that make the roles of the plan: empty if all are there. They hold the hashes of
    /// passwords.
    #[must_use]
    pub fn making_roles(&self) -> &str {
        &self.making_roles
    }
}

impl PlannedDatabase {
    /// The statements that make it.
    pub(in crate::restore) fn statements(&self) -> String {
        self.making(&self.name)
    }

    /// The statements that make it under the name `new`.
    pub(super) fn making(&self, new: &str) -> String {
        self.settings.making(new, self.server_number)
    }
}

/// Compares the databases of a checkpoint with a server, and decides. Reads only.
///
/// # Errors
///
/// Any [`Error`] that keeps the server from being asked. What speaks against a single database is
/// [`DatabaseAction::Refuse`] with the reason.
pub async fn plan(
    session: &ReadSession,
    access: &ServerAccess,
    captured: &CapturedDatabases,
    options: PlanOptions,
) -> Result<DatabasePlan, Error> {
    let names: Vec<String> = captured
        .databases
        .iter()
        .map(|one| one.name.clone())
        .collect();
    let server = ask(session, access, &names).await?;
    let mut planning = Planning {
        server: &server,
        roles: captured.roles.as_ref(),
        options,
        missing: BTreeSet::new(),
        warnings: Vec::new(),
    };
    let mut databases = Vec::new();
    for one in &captured.databases {
        databases.push(planning.database(session, access, one).await?);
    }
    let (missing, warnings) = (planning.missing, planning.warnings);
    let roles = captured.roles.clone().unwrap_or_default();
    let planned = |name: &String| PlannedRole {
        name: name.clone(),
        is_superuser: roles.is_superuser(name),
    };
    Ok(DatabasePlan {
        part: captured.part.clone(),
        server_version: server.server.version.clone(),
        system_identifier: server.system_identifier.clone(),
        roles: missing.iter().map(planned).collect(),
        making_roles: roles.making(&missing),
        databases,
        warnings,
    })
}

struct Planning<'a> {
    server: &'a ServerFacts,
    roles: Option<&'a Roles>,
    options: PlanOptions,
    missing: BTreeSet<String>,
    warnings: Vec<String>,
}

impl Planning<'_> {
    async fn database(
        &mut self,
        session: &ReadSession,
        access: &ServerAccess,
        captured: &CapturedDatabase,
    ) -> Result<PlannedDatabase, Error> {
        let name = &captured.name;
        let row = self.server.database(name);
        let mut losses = Vec::new();
        let settings = match &captured.settings {
            Some(settings) => settings.clone(),
            None => {
                let of_live = match row {
                    Some(_) => live::settings(session, access, name).await.ok(),
                    None => None,
                };
                let of_live = of_live.and_then(|text| Settings::of_text(name, &text));
                if of_live.is_none() {
                    losses.push(
                        "its owner, encoding, locale, settings and grants were not captured: it gets the server's defaults"
                            .to_owned(),
                    );
                }
                of_live.unwrap_or_else(|| Settings::default_of(name))
            }
        };
        let (mut action, mut why) = (
            DatabaseAction::Create,
            "there is none of that name".to_owned(),
        );
        if let Some(row) = row {
            (action, why) = self
                .there(session, access, captured, row, &mut losses)
                .await?;
        }
        if action.changes()
            && let Some(against) = self.against(captured, &settings, row)
        {
            (action, why) = (DatabaseAction::Refuse, against);
        }
        if action.changes() {
            self.missing.extend(self.missing_roles(captured, &settings));
        }
        Ok(PlannedDatabase {
            name: name.clone(),
            action,
            why,
            losses,
            size_bytes: captured.size_bytes,
            settings,
            server_number: self.server.server.number,
        })
    }

    /// What is done with a database that is there.
    async fn there(
        &mut self,
        session: &ReadSession,
        access: &ServerAccess,
        captured: &CapturedDatabase,
        row: &DatabaseRow,
        losses: &mut Vec<String>,
    ) -> Result<(DatabaseAction, String), Error> {
        let name = &captured.name;
        let refused = |why: String| Ok((DatabaseAction::Refuse, why));
        if !row.allow {
            return refused(
                "it takes no connections: `ALTER DATABASE … ALLOW_CONNECTIONS true`".to_owned(),
            );
        }
        let Some(inside) = self.server.inside.get(name) else {
            let said = crate::source::postgres::complaint(&self.server.said);
            let said =
                said.map_or_else(|| "no reason was given".to_owned(), |said| said.to_string());
            return refused(format!("what is in it can't be looked at: {said}"));
        };
        match live::is_same(session, access, captured, name).await {
            Ok(true) => {
                return Ok((DatabaseAction::Unchanged, "its dump is the same".to_owned()));
            }
            Ok(false) => {}
            Err(Error::Ssh(error)) => return Err(error.into()),
            Err(error) => self.warnings.push(format!(
                "database `{}` can't be compared with the checkpoint: {error}",
                escape(name.as_bytes())
            )),
        }
        if row.slots > 0 {
            return refused("it has a replication slot, which would be lost".to_owned());
        }
        if row.prepared > 0 {
            return refused("a prepared transaction is open in it".to_owned());
        }
        if inside.is_empty() {
            return Ok((DatabaseAction::Load, "it is empty".to_owned()));
        }
        let rows = self.rows(inside);
        let holds = format!(
            "it holds {} and {rows}",
            count(inside.relations, "relation")
        );
        let goes = if captured.facts.has_rows {
            holds
        } else {
            format!("{holds}; the checkpoint holds its definitions alone, without rows")
        };
        if !self.options.replace {
            return refused(format!("{goes}: `--replace-database` replaces it"));
        }
        if captured.facts.has_rows {
            losses.push(format!("what is in it now: {rows}"));
        } else {
            losses.push(format!("{rows}: the checkpoint holds definitions alone"));
        }
        if row.sessions > 0 {
            losses.push(format!(
                "{} on it will be ended",
                count(row.sessions, "session")
            ));
        }
        if row.subscriptions > 0 {
            losses.push(format!(
                "{} of it",
                count(row.subscriptions, "subscription")
            ));
        }
        Ok((DatabaseAction::Replace, goes))
    }

    fn rows(&self, inside: &Inside) -> String {
        match self.server.rows.get(&inside.name) {
            Some(&rows) => count(rows, "row"),
            None => format!("about {}", count(inside.estimated_rows, "row")),
        }
    }

    /// What the server lacks for it; the first reason.
    fn against(
        &self,
        captured: &CapturedDatabase,
        settings: &Settings,
        row: Option<&DatabaseRow>,
    ) -> Option<String> {
        let (server, facts) = (self.server, &captured.facts);
        if let Some(foreign) = &facts.foreign {
            return Some(format!("its dump is not what pg_dump writes: {foreign}"));
        }
        if let Some(id) = self.other_restore(&captured.name) {
            return Some(format!("restore {id} of it is under way"));
        }
        if !server.server.createdb {
            return Some(format!(
                "role {} may not create databases",
                server.server.role
            ));
        }
        if let Some(version) = captured.server_version
            && version > server.version()
            && !self.options.older_server
        {
            return Some(newer(version, server.version()));
        }
        let missing = |names: &BTreeSet<String>, there: &BTreeSet<String>, what: &str| {
            let list: Vec<&str> = names.difference(there).map(String::as_str).collect();
            let plural = if list.len() == 1 { "" } else { "s" };
            (!list.is_empty())
                .then(|| format!("the server has no {what}{plural} {}", list.join(", ")))
        };
        let tablespaces: BTreeSet<String> = facts
            .tablespaces
            .iter()
            .cloned()
            .chain(settings.option("tablespace"))
            .collect();
        missing(&facts.extensions, &server.server.extensions, "extension")
            .or_else(|| missing(&tablespaces, &server.server.tablespaces, "tablespace"))
            .or_else(|| self.missing_locale(settings))
            .or_else(|| self.unknown_roles(captured, settings))
            .or_else(|| self.no_room(captured, row))
    }

    /// The ID of another restore of the database.
    fn other_restore(&self, name: &str) -> Option<&str> {
        let of = format!(" of {name}");
        self.server.server.databases.iter().find_map(|row| {
            let rest = row.comment.as_deref()?.strip_prefix("fleet restore ")?;
            let (id, is_of) = rest.split_at_checked(12)?;
            let rest = is_of.strip_prefix(&of)?;
            let is_own = self
                .options
                .resumes
                .as_ref()
                .is_some_and(|own| own.as_str() == id);
            ((rest.is_empty() || rest.starts_with(": ")) && !is_own).then_some(id)
        })
    }

    fn missing_locale(&self, settings: &Settings) -> Option<String> {
        let known = self.server.locales.as_ref()?;
        let normal = |name: &str| name.to_lowercase().replace('-', "");
        let known: BTreeSet<String> = known
            .iter()
            .chain(&self.server.server.collations)
            .map(|name| normal(name))
            .collect();
        ["locale", "lc_collate", "lc_ctype"]
            .iter()
            .find_map(|word| {
                let locale = settings.option(word)?;
                let is_known = locale.is_empty()
                    || matches!(locale.as_str(), "C" | "POSIX")
                    || known.contains(&normal(&locale));
                (!is_known).then(|| format!("the server's host has no locale {locale}"))
            })
    }

    /// Roles that the dump names and the server doesn't have.
    fn missing_roles(&self, captured: &CapturedDatabase, settings: &Settings) -> BTreeSet<String> {
        let needed: BTreeSet<String> = captured
            .facts
            .roles
            .union(&settings.roles())
            .cloned()
            .collect();
        let empty = Roles::default();
        let roles = self.roles.unwrap_or(&empty);
        roles.missing(&needed, &self.server.server.roles)
    }

    /// Those of them that can't be made.
    fn unknown_roles(&self, captured: &CapturedDatabase, settings: &Settings) -> Option<String> {
        let missing = self.missing_roles(captured, settings);
        let has = |role: &&String| self.roles.is_some_and(|roles| roles.has(role));
        let unknown: Vec<&str> = missing
            .iter()
            .filter(|role| !has(role))
            .map(String::as_str)
            .collect();
        if !unknown.is_empty() {
            return Some(format!(
                "the server has no role {}, and the checkpoint doesn't hold it (`globals: true`)",
                unknown.join(", ")
            ));
        }
        (!missing.is_empty() && !self.server.server.createrole).then(|| {
            let list: Vec<&str> = missing.iter().map(String::as_str).collect();
            format!(
                "the server has no role {}, and {} may not create roles",
                list.join(", "),
                self.server.server.role
            )
        })
    }

    /// A database takes at least the room of its dump.
    fn no_room(&self, captured: &CapturedDatabase, row: Option<&DatabaseRow>) -> Option<String> {
        let free = self.server.free_bytes?;
        let live = row
            .and_then(|row| self.server.inside.get(&row.name))
            .map_or(0, |inside| {
                if captured.facts.has_rows {
                    inside.size
                } else {
                    0
                }
            });
        let needed = captured.size_bytes.max(live);
        (needed > free).then(|| {
            format!(
                "it takes about {}, and the data directory has {} free",
                size(needed),
                size(free)
            )
        })
    }
}

fn newer(dump: Version, server: Version) -> String {
    format!("its dump is of PostgreSQL {dump}, the server is the older {server}")
}
