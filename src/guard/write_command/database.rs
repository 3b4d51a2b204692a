//! The steps that put a PostgreSQL database back: it is loaded beside the one that is there, and the names of
//! both are exchanged at the end. See `scripts/postgres/database.sh` for what each step does.

use crate::digest::Sha256;
use crate::guard::PostgresServer;
use crate::guard::script::{Request, Verb};
use crate::inventory::DumpFormat;
use crate::name::RestoreId;

/// PostgreSQL cuts longer names.
const NAME_MAX_BYTES: usize = 63;

/// A step of putting a database back. Each may be repeated after it was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseChange {
    /// The server.
    pub server: PostgresServer,
    /// The names that the database and what replaces it have.
    pub names: DatabaseNames,
    /// There was no database of the name before.
    pub creates: bool,
    /// The length of the data in bytes, without the line of a password.
    pub size_bytes: u64,
    /// Which step.
    pub step: DatabaseStep,
}

/// What is done to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseStep {
    /// Runs the statements of the data, which make roles.
    Roles,
    /// Makes the new database by the statements of the data, in place of one that an earlier attempt made.
    Create,
    /// Loads the dump that is the data into the new database.
    Load(DumpFormat),
    /// Analyses the new database and closes it to connections: it is complete. Answers a JSON array
    /// `[SCHEMA, TABLE, ROWS]` a line.
    Complete,
    /// Gives the name to the new database, and another one to the old.
    Switch,
    /// Gives the name back.
    Back,
    /// Removes the new database, unless it has the name.
    DropBeside,
    /// Removes the old database, if the new one has the name. There is no way back then.
    DropOld,
}

/// What a database is called while a restore is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseNames {
    id: RestoreId,
    name: String,
    beside: String,
    old: String,
}

impl DatabaseNames {
    /// The names for the database `name` in the restore `id`: `NAME_fleet_ID` for the new one, and
    /// `NAME_fleet_ID_old` for the one that was there. Of a long name, its beginning and a digest.
    #[must_use]
    pub fn new(name: &str, id: &RestoreId) -> Self {
        let ending = format!("_fleet_{id}");
        let room = NAME_MAX_BYTES - ending.len() - "_old".len();
        let stem = if name.len() <= room {
            name.to_owned()
        } else {
            let digest = Sha256::of(name.as_bytes()).to_string();
            let cut = name.floor_char_boundary(room - 9);
            format!("{}~{}", &name[..cut], &digest[..8])
        };
        Self {
            id: id.clone(),
            name: name.to_owned(),
            beside: format!("{stem}{ending}"),
            old: format!("{stem}{ending}_old"),
        }
    }

    /// The name that others use.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the new database until it has the name.
    #[must_use]
    pub fn beside(&self) -> &str {
        &self.beside
    }

    /// The name of the old database from then on.
    #[must_use]
    pub fn old(&self) -> &str {
        &self.old
    }

    /// How the comment of the new database begins, until the restore is done.
    #[must_use]
    pub fn mark(&self) -> String {
        format!("fleet restore {} of {}", self.id, self.name)
    }
}

impl DatabaseStep {
    fn word(self) -> &'static str {
        match self {
            Self::Roles => "roles",
            Self::Create => "create",
            Self::Load(_) => "load",
            Self::Complete => "complete",
            Self::Switch => "switch",
            Self::Back => "back",
            Self::DropBeside => "drop_beside",
            Self::DropOld => "drop_old",
        }
    }
}

impl DatabaseChange {
    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Database);
        self.server.describe(&mut request);
        request.with("step", self.step.word());
        match self.step {
            DatabaseStep::Load(DumpFormat::Custom) => request.with("format", "custom"),
            DatabaseStep::Load(DumpFormat::Plain) => request.with("format", "plain"),
            DatabaseStep::Roles
            | DatabaseStep::Create
            | DatabaseStep::Complete
            | DatabaseStep::Switch
            | DatabaseStep::Back
            | DatabaseStep::DropBeside
            | DatabaseStep::DropOld => {}
        }
        if self.creates {
            request.with("creates", "yes");
        }
        let names = &self.names;
        request.with("id", names.id.as_str());
        request.with("name", &names.name);
        request.with("beside", &names.beside);
        request.with("old", &names.old);
        request.with("mark", names.mark());
        request.with("size", self.size_bytes.to_string());
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_into_a_name_of_postgresql_and_differ() {
        let id: RestoreId = "0123456789ab".parse().expect("an ID");
        let names = DatabaseNames::new("app", &id);
        assert_eq!(names.beside(), "app_fleet_0123456789ab");
        assert_eq!(names.old(), "app_fleet_0123456789ab_old");
        assert_eq!(names.mark(), "fleet restore 0123456789ab of app");
        for name in [
            "n".repeat(40),
            "n".repeat(41),
            "n".repeat(63),
            "ü".repeat(31),
        ] {
            let names = DatabaseNames::new(&name, &id);
            assert!(names.old().len() <= NAME_MAX_BYTES, "{}", names.old());
            let other = DatabaseNames::new(&format!("{}x", &name[..name.len() - 2]), &id);
            assert_ne!(names.beside(), other.beside());
        }
    }
}
