//! Several servers on one host that has Debian's tools.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::failed;
use crate::capture::HostFixture;
use crate::support::host_fixture::program;
use crate::support::postgres::Postgres;
use crate::support::sshd::{free_port, user};

/// What Debian's tools know of a cluster: version, name, port and the folder of its socket.
type Cluster<'a> = (&'a str, &'a str, u16, &'a Path);

/// A host whose tools are Debian's and know these clusters alone.
fn host_with(clusters: &[Cluster<'_>]) -> Option<HostFixture> {
    let is_debian = fs::read_link("/usr/bin/pg_dump").is_ok_and(|to| to.ends_with("pg_wrapper"));
    if !is_debian || !Path::new("/usr/bin/pg_lsclusters").exists() {
        crate::support::not_here("PostgreSQL's tools are not Debian's");
        return None;
    }
    HostFixture::with_tools(|folder| {
        let known = folder.join("clusters");
        for (version, name, port, socket) in clusters {
            let cluster = known.join(version).join(name);
            fs::create_dir_all(&cluster).expect("a folder");
            let data = socket.join("data");
            let text = format!(
                "port = {port}\nunix_socket_directories = '{}'\ndata_directory = '{}'\n",
                socket.display(),
                data.display()
            );
            fs::write(cluster.join("postgresql.conf"), text).expect("a file");
        }
        let script = format!(
            "PG_CLUSTER_CONF_ROOT={} exec /usr/bin/\"${{0##*/}}\" \"$@\"",
            known.display()
        );
        program(folder, "pg_wrapper", &script);
        program(folder, "pg_lsclusters", &script);
        for tool in ["pg_dump", "pg_dumpall"] {
            symlink(folder.join("pg_wrapper"), folder.join(tool)).expect("a link");
        }
    })
}

/// A server with a database `app`, in which a table has this name.
fn server(port: u16, table: &str) -> Option<Postgres> {
    let server = Postgres::start_at(port)?;
    server.sql("postgres", "CREATE DATABASE app");
    server.sql("app", &format!("CREATE TABLE {table} (a int)"));
    server.sql("postgres", &format!("CREATE ROLE {table}"));
    Some(server)
}

/// The version as Debian's folders have it.
fn version(server: &Postgres) -> String {
    let folder = server.bin().parent().and_then(Path::file_name);
    folder.expect("a folder").to_string_lossy().into_owned()
}

#[test]
fn every_source_dumps_the_cluster_of_its_port() {
    let (Some(first), Some(second)) = (server(5432, "of_first"), server(free_port(), "of_second"))
    else {
        return;
    };
    let version = version(&first);
    let nowhere = Path::new("/nonexistent");
    let Some(scene) = host_with(&[
        ("9.6", "old", free_port(), nowhere),
        (&version, "main", first.port(), first.socket()),
        (&version, "second", second.port(), second.socket()),
    ]) else {
        return;
    };
    let (socket, port) = (second.socket(), second.port());
    let mut sources = json!({
        "default": { "postgres": "app", "user": "operator", "globals": true },
        "port": { "postgres": "app", "user": "operator", "globals": true, "port": port },
        "port-of-first": { "postgres": "app", "user": "operator", "port": 5432 },
        "archive": { "postgres": "app", "user": "operator", "port": port, "format": "custom" },
        "socket": { "postgres": "app", "user": "operator", "host": socket, "port": port },
    });
    if user() == "root" {
        let account = second.account();
        sources["account"] =
            json!({ "postgres": "app", "run_as": account, "host": socket, "port": port });
    }
    let has_account = sources.get("account").is_some();
    scene.sources(sources);
    let ran = scene.fleet.checkpoint(&["web"]).exits(0);
    assert_eq!(ran.state(), "complete", "{}", ran.stderr);
    let folder = scene.fleet.exported(&ran.id()).join("fleet-captures");
    let read = |file: &str| {
        String::from_utf8_lossy(&fs::read(folder.join(file)).expect(file)).into_owned()
    };
    for (file, is_of_second) in [
        ("default/app.sql", false),
        ("default/globals.sql", false),
        ("port-of-first/app.sql", false),
        ("port/app.sql", true),
        ("port/globals.sql", true),
        ("archive/app.dump", true),
        ("socket/app.sql", true),
    ]
    .into_iter()
    .chain(has_account.then_some(("account/app.sql", true)))
    {
        let text = read(file);
        let found = (text.contains("of_first"), text.contains("of_second"));
        assert_eq!(found, (!is_of_second, is_of_second), "{file}");
    }
}

#[test]
fn an_older_cluster_is_not_in_the_way_of_another_port() {
    let Some(server) = server(free_port(), "of_newer") else {
        return;
    };
    let version = version(&server);
    let Some(scene) = host_with(&[
        ("9.6", "old", 5432, Path::new("/nonexistent")),
        (&version, "main", server.port(), server.socket()),
    ]) else {
        return;
    };
    let (socket, port) = (server.socket(), server.port());
    for settings in [
        json!({ "postgres": "app", "user": "operator", "port": port }),
        json!({ "postgres": "app", "user": "operator", "host": socket, "port": port }),
        json!({ "postgres": ["app", "postgres"], "user": "operator", "port": port, "globals": true }),
    ] {
        scene.sources(json!({ "db": settings }));
        let ran = scene.fleet.checkpoint(&["web"]).exits(0);
        assert_eq!(ran.state(), "complete", "{}", ran.stderr);
    }
    // The cluster at port 5432 is the one that the wrapper takes.
    scene.sources(json!({ "db": { "postgres": "app", "user": "operator" } }));
    let told = failed(&scene.fleet.checkpoint(&["web"]).exits(3));
    assert!(told.contains("9.6"), "{told}");
}
