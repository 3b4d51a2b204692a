//! Resolves one source: its kind, the keys that belong to it, and their values.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::super::error::Rule;
use super::super::raw::{self, At, COMMON_KEYS, KINDS, OneOrMany, SecretText};
use super::super::value::{self, Refusal};
use super::super::{
    CommandLine, CommandSource, DirectorySource, Dump, DumpFormat, FilesSource, HttpSource, Item,
    PostgresSource, Secret, Source, SourceKind, Unreadable,
};
use super::Findings;
use super::exclude::exclude;
use super::kind::{Named, argv, kind, nothing, some_status};
use crate::name::{RemotePath, SourceName};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: u64 = 16 << 20;

pub(super) fn source(
    said_name: &At<String>,
    raw: &raw::Source,
    findings: &mut Findings,
) -> Option<Source> {
    let name: SourceName = findings.name(said_name)?;
    let named = Named {
        item: Item::Source,
        name: said_name,
    };
    let kind = kind(&named, &raw.keys(), KINDS, COMMON_KEYS, findings)?;
    Some(Source {
        kind: details(kind, raw, findings)?,
        name,
        place: said_name.place,
        optional: is_true(raw.optional.as_ref()),
        sudo: is_true(raw.sudo.as_ref()),
        may_shrink: is_true(raw.may_shrink.as_ref()),
    })
}

fn is_true(said: Option<&At<bool>>) -> bool {
    said.is_some_and(|said| said.value)
}

fn details(kind: &str, raw: &raw::Source, findings: &mut Findings) -> Option<SourceKind> {
    Some(match kind {
        "directory" => {
            let said = std::slice::from_ref(raw.directory.as_ref()?);
            directory("directory", said, raw, findings)?
        }
        "directories" => {
            let said = raw.directories.as_ref()?;
            if said.value.is_empty() {
                findings.add(said.place, nothing("directories"));
            }
            directory("directories", &said.value, raw, findings)?
        }
        "files" => SourceKind::Files(FilesSource {
            globs: several("files", raw.files.as_ref()?, value::file_glob, findings),
            newest: newest(raw, findings),
            lines: findings.take_if_set("lines", raw.lines.as_ref(), value::line_regex),
        }),
        "postgres" => SourceKind::Postgres(postgres(raw.postgres.as_ref()?, raw, findings)),
        "command" => {
            let argv = argv("command", raw.command.as_ref()?, findings);
            let line = CommandLine::Argv(argv);
            SourceKind::Command(command(line, raw, findings))
        }
        "shell" => {
            let text = findings.take("shell", raw.shell.as_ref()?, value::some_text)?;
            SourceKind::Command(command(CommandLine::Shell(text), raw, findings))
        }
        "http" => SourceKind::Http(http(raw.http.as_ref()?, raw, findings)?),
        _ => return None,
    })
}

fn several<T>(
    key: &'static str,
    said: &At<OneOrMany>,
    parse: impl Fn(&str) -> Result<T, Refusal>,
    findings: &mut Findings,
) -> Vec<T> {
    if said.value.0.is_empty() {
        findings.add(said.place, nothing(key));
    }
    findings.take_all(key, Some(&said.value), parse)
}

/// The choice of that name; the first one if the key is absent.
fn choice<T: Copy>(
    key: &'static str,
    said: Option<&At<String>>,
    choices: [(&'static str, T); 2],
    findings: &mut Findings,
) -> T {
    let chosen = findings.take_if_set(key, said, |text| value::one_of(text, &choices));
    chosen.unwrap_or(choices[0].1)
}

fn directory(
    key: &'static str,
    said: &[At<String>],
    raw: &raw::Source,
    findings: &mut Findings,
) -> Option<SourceKind> {
    let mut roots = Vec::new();
    let mut seen = BTreeSet::new();
    for said in said {
        match said.value.parse::<RemotePath>() {
            Ok(root) if seen.insert(root.clone()) => roots.push(root),
            Ok(_) => {}
            Err(error) => findings.add(
                said.place,
                Rule::Value {
                    key,
                    why: error.to_string(),
                    hint: "Write the whole path, as in `/etc/asterisk`; `~` is not expanded."
                        .into(),
                },
            ),
        }
    }
    Some(SourceKind::Directory(DirectorySource {
        exclude: exclude(raw.exclude.as_ref(), &roots, findings),
        roots,
        one_file_system: raw.one_file_system.as_ref().is_none_or(|said| said.value),
        unreadable: choice(
            "unreadable",
            raw.unreadable.as_ref(),
            [("fail", Unreadable::Fail), ("skip", Unreadable::Skip)],
            findings,
        ),
    }))
}

fn newest(raw: &raw::Source, findings: &mut Findings) -> Option<u32> {
    let said = raw.newest.as_ref()?;
    if said.value == 0 {
        findings.add(said.place, nothing("newest"));
    }
    Some(said.value)
}

fn postgres(said: &At<OneOrMany>, raw: &raw::Source, findings: &mut Findings) -> PostgresSource {
    PostgresSource {
        databases: several("postgres", said, value::database, findings),
        dump: choice(
            "dump",
            raw.dump.as_ref(),
            [("schema", Dump::Schema), ("full", Dump::Full)],
            findings,
        ),
        format: choice(
            "format",
            raw.format.as_ref(),
            [("plain", DumpFormat::Plain), ("custom", DumpFormat::Custom)],
            findings,
        ),
        globals: is_true(raw.globals.as_ref()),
        run_as: findings.take_if_set("run_as", raw.run_as.as_ref(), value::account),
        host: findings.take_if_set("host", raw.host.as_ref(), |text| {
            if text.starts_with('/') {
                value::argument(text)
            } else {
                value::address(text)
            }
        }),
        port: findings.port("port", raw.port.as_ref()),
        user: findings.take_if_set("user", raw.user.as_ref(), value::argument),
        password: raw.password.as_ref().and_then(|said| {
            if let SecretText::Text(_) = said.value {
                findings.add(
                    said.place,
                    Rule::Value {
                        key: "password",
                        why: "a password can't be written in the inventory".to_owned(),
                        hint: "Name where it is kept: `{env: NAME}` or `{file: PATH}`.".into(),
                    },
                );
            }
            secret("password", said, findings)
        }),
    }
}

fn command(line: CommandLine, raw: &raw::Source, findings: &mut Findings) -> CommandSource {
    CommandSource {
        line,
        run_as: findings.take_if_set("run_as", raw.run_as.as_ref(), value::account),
        timeout: findings
            .take_if_set("timeout", raw.timeout.as_ref(), value::duration)
            .unwrap_or(COMMAND_TIMEOUT),
        max_bytes: findings
            .take_if_set("max_bytes", raw.max_bytes.as_ref(), value::size_bytes)
            .unwrap_or(MAX_BYTES),
        reads_only: is_true(raw.reads_only.as_ref()),
        file: findings.take_if_set("file", raw.file.as_ref(), value::file_name),
    }
}

fn http(said: &At<String>, raw: &raw::Source, findings: &mut Findings) -> Option<HttpSource> {
    let url = findings.take("http", said, value::url);
    let mut headers = Vec::new();
    for (name, text) in raw.headers.as_ref().map_or(&[][..], |said| &said.value.0) {
        let said = At {
            value: text,
            place: name.place,
        };
        let name = findings.take("headers", name, value::header_name);
        if let (Some(name), Some(text)) = (name, secret("headers", &said, findings)) {
            headers.push((name, text));
        }
    }
    let status = some_status(raw.status.as_ref(), findings);
    let normalise = findings.take_if_set("json", raw.json.as_ref(), |text| {
        value::one_of(text, &[("normalise", ())])
    });
    Some(HttpSource {
        url: url?,
        headers,
        status,
        normalise_json: normalise.is_some(),
        timeout: findings
            .take_if_set("timeout", raw.timeout.as_ref(), value::duration)
            .unwrap_or(HTTP_TIMEOUT),
        max_bytes: findings
            .take_if_set("max_bytes", raw.max_bytes.as_ref(), value::size_bytes)
            .unwrap_or(MAX_BYTES),
        file: findings.take_if_set("file", raw.file.as_ref(), value::file_name),
    })
}

fn secret<S: std::borrow::Borrow<SecretText>>(
    key: &'static str,
    said: &At<S>,
    findings: &mut Findings,
) -> Option<Secret> {
    let refuse = |why: &str| Rule::Value {
        key,
        why: why.to_owned(),
        hint: "Write text, `{env: NAME}` or `{file: PATH}`.".into(),
    };
    match said.value.borrow() {
        SecretText::Text(text) if text.contains(['\r', '\n', '\0']) => {
            findings.add(said.place, refuse("it holds a line break or NUL"));
            None
        }
        SecretText::Text(text) => Some(Secret::Text(text.clone())),
        SecretText::Place(place) => match (&place.env, &place.file) {
            (Some(name), None) => findings.take("env", name, value::argument).map(Secret::Env),
            (None, Some(path)) => findings
                .take("file", path, value::some_text)
                .map(|path| Secret::File(PathBuf::from(path))),
            _ => {
                findings.add(
                    said.place,
                    refuse("it needs exactly one of `env` and `file`"),
                );
                None
            }
        },
    }
}
