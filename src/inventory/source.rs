//! Sources: what can be captured from a host.

use std::path::PathBuf;
use std::time::Duration;

use super::Place;
use super::url::HttpUrl;
use crate::name::{AccountName, RemotePath, SourceName};

/// One thing that is captured from a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name, unique on a host.
    pub name: SourceName,
    /// Its place in the file.
    pub place: Place,
    /// What it is.
    pub kind: SourceKind,
    /// It may be missing on a host.
    pub optional: bool,
    /// It is read through sudo.
    pub sudo: bool,
    /// It may be empty, or much smaller than last time.
    pub may_shrink: bool,
}

/// The kinds of sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// Whole directories.
    Directory(DirectorySource),
    /// Single files, by pattern.
    Files(FilesSource),
    /// Databases.
    Postgres(PostgresSource),
    /// What a program prints.
    Command(CommandSource),
    /// What a web server answers, asked through the SSH connection.
    Http(HttpSource),
}

impl SourceKind {
    /// Whether a checkpoint captures what it answers; else it is in directories, and is scanned.
    #[must_use]
    pub fn is_captured(&self) -> bool {
        match self {
            Self::Postgres(_) | Self::Command(_) | Self::Http(_) => true,
            Self::Directory(_) | Self::Files(_) => false,
        }
    }

    /// The word for it in the inventory, records and tables.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Directory(_) => "directory",
            Self::Files(_) => "files",
            Self::Postgres(_) => "postgres",
            Self::Command(_) => "command",
            Self::Http(_) => "http",
        }
    }
}

/// `directory:` or `directories:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySource {
    /// One or more.
    pub roots: Vec<RemotePath>,
    /// By the rules of gitignore, relative to each root.
    pub exclude: Vec<String>,
    /// Other file systems beneath a root are left out.
    pub one_file_system: bool,
    /// What an unreadable entry means.
    pub unreadable: Unreadable,
}

/// What an unreadable entry means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// The part has failed.
    #[default]
    Fail,
    /// A warning.
    Skip,
}

/// `files:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesSource {
    /// Absolute patterns.
    pub globs: Vec<String>,
    /// Only so many, the newest first.
    pub newest: Option<u32>,
    /// Only the lines that match this regular expression.
    pub lines: Option<String>,
}

/// `postgres:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresSource {
    /// One or more databases.
    pub databases: Vec<String>,
    /// Schema, or everything.
    pub dump: Dump,
    /// What pg_dump writes.
    pub format: DumpFormat,
    /// Roles too.
    pub globals: bool,
    /// Account that runs pg_dump.
    pub run_as: Option<AccountName>,
    /// Server; none: the socket.
    pub host: Option<String>,
    /// Port of the server.
    pub port: Option<u16>,
    /// Database role.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
}

/// How much of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dump {
    /// Definitions only.
    #[default]
    Schema,
    /// Rows too.
    Full,
}

/// What pg_dump writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DumpFormat {
    /// SQL text.
    #[default]
    Plain,
    /// For `pg_restore`.
    Custom,
}

/// `command:` or `shell:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSource {
    /// What is run.
    pub line: CommandLine,
    /// Account that runs it.
    pub run_as: Option<AccountName>,
    /// It is stopped after this.
    pub timeout: Duration,
    /// More than this is a failure.
    pub max_bytes: u64,
    /// The operator vouches that it writes nothing.
    pub reads_only: bool,
    /// Name of the captured file; none: made from the source's name.
    pub file: Option<String>,
}

/// A program with its arguments, or text for a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Program and arguments.
    Argv(Vec<String>),
    /// Text for `sh -c`.
    Shell(String),
}

/// `http:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSource {
    /// What is asked for, as seen from the host.
    pub url: HttpUrl,
    /// Sent along, in the file's order.
    pub headers: Vec<(String, Secret)>,
    /// The status that counts as success.
    pub status: u16,
    /// The answer is JSON and is stored with sorted keys.
    pub normalise_json: bool,
    /// For the whole answer.
    pub timeout: Duration,
    /// More than this is a failure.
    pub max_bytes: u64,
    /// Name of the captured file; none: made from the source's name.
    pub file: Option<String>,
}

/// Text, or where on the workstation a secret is. Its `Debug` never shows literal text.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// As it is in the inventory.
    Text(String),
    /// In an environment variable.
    Env(String),
    /// In a file.
    File(PathBuf),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Env(name) => write!(f, "Env({name:?})"),
            Self::File(path) => write!(f, "File({path:?})"),
        }
    }
}
