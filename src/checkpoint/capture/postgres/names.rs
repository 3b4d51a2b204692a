//! Names of dumps: in messages, and of the files that hold them.

use crate::guard::DumpOf;
use crate::inventory::DumpFormat;
use crate::name::escape;
use crate::source::postgres::Content;

/// What is dumped, for messages.
pub(super) fn shown(of: &DumpOf) -> String {
    match of {
        DumpOf::Database { name, .. } => shown_name(name),
        DumpOf::Settings { name } => format!("the settings of {}", shown_name(name)),
        DumpOf::Globals => "the roles".to_owned(),
    }
}

/// A database, for messages.
pub(super) fn shown_name(database: &str) -> String {
    format!("database `{}`", escape(database.as_bytes()))
}

/// As what the dump is read.
pub(super) fn content(of: &DumpOf) -> Content {
    match of {
        DumpOf::Database {
            format: DumpFormat::Plain,
            ..
        } => Content::Database,
        DumpOf::Database {
            format: DumpFormat::Custom,
            ..
        } => Content::Archive,
        DumpOf::Settings { .. } => Content::Settings,
        DumpOf::Globals => Content::Globals,
    }
}

/// A database may be called what no file can: such characters are written as `%` and two digits.
pub(super) fn file_name(of: &DumpOf) -> String {
    let (name, ending) = match of {
        DumpOf::Database {
            name,
            format: DumpFormat::Plain,
            ..
        } => (name, "sql"),
        DumpOf::Database {
            name,
            format: DumpFormat::Custom,
            ..
        } => (name, "dump"),
        DumpOf::Settings { name } => (name, "settings.sql"),
        DumpOf::Globals => return "globals.sql".to_owned(),
    };
    // The files of these names are other ones: the roles, and the settings of another database.
    let is_of_roles = name == "globals" && ending == "sql";
    let settings_at = name
        .strip_suffix(".settings")
        .filter(|_| ending == "sql")
        .map(str::len);
    let mut file = String::new();
    for (at, c) in name.char_indices() {
        let is_taken = (at == 0 && (c == '.' || is_of_roles)) || settings_at == Some(at);
        if is_taken || matches!(c, '/' | '%') || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                file.push_str(&format!("%{byte:02X}"));
            }
        } else {
            file.push(c);
        }
    }
    format!("{file}.{ending}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::inventory::Dump;

    fn database(name: &str, format: DumpFormat) -> DumpOf {
        DumpOf::Database {
            name: name.to_owned(),
            dump: Dump::Schema,
            format,
        }
    }

    #[test]
    fn every_database_has_a_file_of_its_own() {
        let settings = |name: &str| DumpOf::Settings {
            name: name.to_owned(),
        };
        for (name, plain, custom, of_settings) in [
            ("stations", "stations", "stations", "stations"),
            ("globals", "%67lobals", "globals", "globals"),
            ("../x y", "%2E.%2Fx y", "%2E.%2Fx y", "%2E.%2Fx y"),
            ("100%", "100%25", "100%25", "100%25"),
            (
                "größe\n\u{85}",
                "größe%0A%C2%85",
                "größe%0A%C2%85",
                "größe%0A%C2%85",
            ),
            ("a.settings", "a%2Esettings", "a.settings", "a.settings"),
            (".settings", "%2Esettings", "%2Esettings", "%2Esettings"),
        ] {
            assert_eq!(
                [
                    file_name(&database(name, DumpFormat::Plain)),
                    file_name(&database(name, DumpFormat::Custom)),
                    file_name(&settings(name)),
                ],
                [
                    format!("{plain}.sql"),
                    format!("{custom}.dump"),
                    format!("{of_settings}.settings.sql"),
                ]
            );
        }
        assert_eq!(file_name(&DumpOf::Globals), "globals.sql");
        // None of them is in the way of another one.
        let names = ["a", "a.settings", "a.settings.settings", "globals"];
        let files: BTreeSet<String> = names
            .iter()
            .flat_map(|name| {
                [
                    file_name(&database(name, DumpFormat::Plain)),
                    file_name(&settings(name)),
                ]
            })
            .collect();
        assert_eq!(files.len(), 2 * names.len(), "{files:?}");
    }
}
