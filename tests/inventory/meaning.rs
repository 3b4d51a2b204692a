//! Tests of the meaning of a whole inventory: every key, and the default for each missing one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet::inventory::{
    Access, Bootstrap, CommandLine, CommandSource, Defaults, DirectorySource, Dump, DumpFormat,
    Env, FilesSource, Host, HttpSource, Inventory, Keep, Limits, Place, PostgresSource, ProdWords,
    Secret, Source, SourceKind, Tag, Unreadable, WireCompression,
};
use fleet::name::RemotePath;

use super::accepted;

const SECOND: Duration = Duration::from_secs(1);

fn every_key() -> Inventory {
    accepted(include_str!("every-key.yaml"))
}

fn path(text: &str) -> RemotePath {
    text.parse().expect("a path")
}

fn place(line: u32, column: u32) -> Place {
    Place { line, column }
}

fn host<'a>(inventory: &'a Inventory, name: &str) -> &'a Host {
    inventory
        .host(&name.parse().expect("a name"))
        .expect("the host is there")
}

fn source<'a>(host: &'a Host, name: &str) -> &'a Source {
    host.sources
        .iter()
        .find(|source| source.name.as_str() == name)
        .expect("the source is there")
}

#[test]
fn the_file_as_a_whole() {
    let inventory = every_key();
    assert_eq!(inventory.file, Path::new("fleet.yaml"));
    assert_eq!(
        inventory.store.as_deref(),
        Some(Path::new("/srv/checkpoints"))
    );
    assert_eq!(
        inventory.defaults,
        Defaults {
            user: Some("admin".to_owned()),
            port: Some(2222),
            identity: vec!["~/.ssh/id_ed25519".into(), "/keys/other".into()],
            jump: Some("bastion".to_owned()),
        }
    );
    let names: Vec<&str> = inventory
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    assert_eq!(names, ["bastion", "every", "plain"]);
}

#[test]
fn a_host_that_says_everything() {
    let inventory = every_key();
    let mut every = host(&inventory, "every").clone();
    let sources: Vec<String> = every
        .sources
        .drain(..)
        .map(|source| source.name.to_string())
        .collect();
    assert_eq!(
        sources,
        [
            "etc", "roots", "env", "logs", "db", "dbs", "pgfile", "version", "uptime", "models",
            "status"
        ]
    );
    let prod = ProdWords::default();
    assert_eq!(
        every,
        Host {
            name: "every".parse().expect("a name"),
            place: place(25, 3),
            env: Some((Env::parse("Dev", &prod).expect("a word"), place(26, 10))),
            access: Some((Access::Writable, place(27, 13))),
            tags: vec![
                (Tag::parse("pbx", &prod).expect("a word"), place(33, 12)),
                (Tag::parse("eu", &prod).expect("a word"), place(33, 17))
            ],
            address: Some("2001:db8::1".to_owned()),
            port: Some(22),
            user: Some("root".to_owned()),
            identity: vec![PathBuf::from("~/.ssh/every")],
            jump: Some("bastion".to_owned()),
            profiles: vec!["base".parse().expect("a name")],
            sources: Vec::new(),
            services: Vec::new(),
            probes: Vec::new(),
            bootstrap: Bootstrap::default(),
            limits: Limits {
                connect_timeout: SECOND,
                stall_timeout: 604_800 * SECOND,
            },
            compression: WireCompression::None,
            schedule: Some("*/15 * * * *".to_owned()),
            keep: Keep {
                last: 10,
                within: Some(172_800 * SECOND),
                hourly: 24,
                daily: 14,
                weekly: 8,
                monthly: 6,
                yearly: 2,
            },
            max_age: Some(1_200 * SECOND),
        }
    );
}

#[test]
fn a_host_that_says_nothing_takes_the_defaults() {
    let inventory = every_key();
    assert_eq!(
        *host(&inventory, "plain"),
        Host {
            name: "plain".parse().expect("a name"),
            place: place(73, 3),
            env: None,
            access: None,
            tags: Vec::new(),
            address: None,
            port: Some(2222),
            user: Some("admin".to_owned()),
            identity: vec!["~/.ssh/id_ed25519".into(), "/keys/other".into()],
            jump: Some("bastion".to_owned()),
            profiles: Vec::new(),
            sources: Vec::new(),
            services: Vec::new(),
            probes: Vec::new(),
            bootstrap: Bootstrap::default(),
            limits: Limits {
                connect_timeout: 5 * SECOND,
                stall_timeout: 120 * SECOND,
            },
            compression: WireCompression::Gzip,
            schedule: None,
            keep: Keep {
                last: 3,
                ..Keep::default()
            },
            max_age: Some(5_400 * SECOND),
        }
    );
}

#[test]
fn without_defaults_the_limits_are_ten_and_sixty_seconds() {
    let inventory = accepted("version: 1\nhosts: { a: }\n");
    let a = host(&inventory, "a");
    assert_eq!(
        a.limits,
        Limits {
            connect_timeout: 10 * SECOND,
            stall_timeout: 60 * SECOND,
        }
    );
    assert_eq!(a.compression, WireCompression::Auto);
    assert!(a.keep.is_unset());
    assert_eq!(a.max_age, None);
    assert_eq!(accepted("version: 1\n").hosts, []);
}

#[test]
fn directories() {
    let inventory = every_key();
    let every = host(&inventory, "every");
    assert_eq!(
        *source(every, "etc"),
        Source {
            name: "etc".parse().expect("a name"),
            place: place(17, 7),
            kind: SourceKind::Directory(DirectorySource {
                roots: vec![path("/etc")],
                exclude: Vec::new(),
                one_file_system: true,
                unreadable: Unreadable::Fail,
            }),
            optional: true,
            sudo: true,
            may_shrink: true,
        }
    );
    assert_eq!(
        source(every, "roots").kind,
        SourceKind::Directory(DirectorySource {
            roots: vec![path("/opt/a"), path("/opt/b")],
            exclude: vec!["node_modules/".into(), "!keep.log".into(), "*.log".into()],
            one_file_system: false,
            unreadable: Unreadable::Skip,
        })
    );
}

#[test]
fn files() {
    let inventory = every_key();
    let every = host(&inventory, "every");
    assert_eq!(
        source(every, "env").kind,
        SourceKind::Files(FilesSource {
            globs: vec!["/srv/app/.env".into()],
            newest: None,
            lines: Some("^MONITORING_".into()),
        })
    );
    assert_eq!(
        source(every, "logs").kind,
        SourceKind::Files(FilesSource {
            globs: vec!["/var/log/a-*.log".into(), "/var/log/{b,c}.log".into()],
            newest: Some(3),
            lines: None,
        })
    );
}

#[test]
fn databases() {
    let inventory = every_key();
    let every = host(&inventory, "every");
    let plain = PostgresSource {
        databases: vec!["monitoring_v2".into()],
        dump: Dump::Schema,
        format: DumpFormat::Plain,
        globals: false,
        run_as: None,
        host: None,
        port: None,
        user: None,
        password: None,
    };
    assert_eq!(
        source(every, "db").kind,
        SourceKind::Postgres(plain.clone())
    );
    assert_eq!(
        source(every, "dbs").kind,
        SourceKind::Postgres(PostgresSource {
            databases: vec!["one".into(), "two".into()],
            dump: Dump::Full,
            format: DumpFormat::Custom,
            globals: true,
            run_as: Some("postgres".parse().expect("an account")),
            host: Some("127.0.0.1".into()),
            port: Some(5433),
            user: Some("reader".into()),
            password: Some(Secret::Env("PGPASSWORD".into())),
        })
    );
    assert_eq!(
        source(every, "pgfile").kind,
        SourceKind::Postgres(PostgresSource {
            databases: vec!["three".into()],
            password: Some(Secret::File("~/.pgpass".into())),
            ..plain
        })
    );
}

#[test]
fn commands() {
    let inventory = every_key();
    let every = host(&inventory, "every");
    assert_eq!(
        source(every, "version").kind,
        SourceKind::Command(CommandSource {
            line: CommandLine::Argv(vec!["asterisk".into(), "-V".into(), "5".into()]),
            run_as: Some("asterisk".parse().expect("an account")),
            timeout: 60 * SECOND,
            max_bytes: 1 << 20,
            reads_only: true,
            file: Some("version.txt".into()),
        })
    );
    assert_eq!(
        source(every, "uptime").kind,
        SourceKind::Command(CommandSource {
            line: CommandLine::Shell("uptime | cut -c1-9".into()),
            run_as: None,
            timeout: 30 * SECOND,
            max_bytes: 16 << 20,
            reads_only: false,
            file: None,
        })
    );
}

#[test]
fn http_answers() {
    let inventory = every_key();
    let every = host(&inventory, "every");
    assert_eq!(
        source(every, "models").kind,
        SourceKind::Http(HttpSource {
            url: "http://127.0.0.1:4000/v1/models".parse().expect("a URL"),
            headers: Vec::new(),
            status: 200,
            normalise_json: false,
            timeout: 10 * SECOND,
            max_bytes: 16 << 20,
            file: None,
        })
    );
    assert_eq!(
        source(every, "status").kind,
        SourceKind::Http(HttpSource {
            url: "https://[::1]:8443/status?full".parse().expect("a URL"),
            headers: vec![
                ("Accept".into(), Secret::Text("application/json".into())),
                ("X-Key".into(), Secret::Env("STATUS_KEY".into())),
                ("X-Two".into(), Secret::File("/keys/two".into())),
            ],
            status: 204,
            normalise_json: true,
            timeout: 3 * SECOND,
            max_bytes: 4096,
            file: Some("status.json".into()),
        })
    );
}
