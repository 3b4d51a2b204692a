//! Tests that keys and passwords reach only their receivers, and are in no file and no output.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::support::fleet::Fleet;
use crate::support::secrets::{holds, written};
use crate::support::sshd::{descendants, eventually, installed};
use crate::support::testbed::Testbed;

/// Writes down every word that a process on a host was called with, until dropped.
struct Watched {
    child: Child,
    file: PathBuf,
}

impl Watched {
    fn start(testbed: &Testbed, host: &str, folder: &Path) -> Self {
        // Once nobody reads any more, each of them ends at its next word.
        let script = "sudo -n sh -c 'while echo; do cat /proc/[0-9]*/cmdline; done' 2>/dev/null \
                      | tr '\\0' '\\n' | perl -ne '$| = 1; print unless $seen{$_}++'";
        let file = folder.join("words");
        let kept = fs::File::create(&file).expect("a file");
        let child = testbed
            .command(&["ssh", host, script])
            .stdout(kept)
            .spawn()
            .expect("testbed starts");
        let watched = Self { child, file };
        eventually("the first words", || !watched.words().is_empty());
        watched
    }

    fn words(&self) -> Vec<u8> {
        fs::read(&self.file).expect("a file")
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether the terminal of what runs in `script` keeps to itself what is typed.
fn is_silent(script: &Child) -> bool {
    descendants(script.id()).iter().any(|(pid, _)| {
        let state = Command::new("stty")
            .args(["-F", &format!("/proc/{pid}/fd/0"), "-a"])
            .output()
            .expect("stty");
        String::from_utf8_lossy(&state.stdout).contains(" -echo ")
    })
}

/// `fleet checkpoint` on a terminal where somebody types `password` when asked; what the terminal showed.
fn typed(fleet: &Fleet, password: &str) -> Option<String> {
    installed("script")?;
    let asked = fleet.command(&["-v", "checkpoint", "dev-vm"]);
    let words = std::iter::once(asked.get_program()).chain(asked.get_args());
    let line: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().expect("text")))
        .collect();
    let mut command = Command::new("script");
    command
        .args(["-qec", &line.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    for (name, value) in asked.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn().expect("script starts");
    let mut keyboard = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let (mut shown, mut buffer, mut has_typed) = (Vec::new(), [0; 4096], false);
    loop {
        let read = screen.read(&mut buffer).expect("a screen");
        if read == 0 {
            break;
        }
        shown.extend(&buffer[..read]);
        if !has_typed && String::from_utf8_lossy(&shown).contains("assword") {
            eventually("a terminal that shows nothing that is typed", || {
                is_silent(&child)
            });
            writeln!(keyboard, "{password}").expect("a keyboard");
            has_typed = true;
        }
    }
    let status = child.wait().expect("it ends");
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(has_typed && status.success(), "{shown}");
    Some(shown)
}

#[test]
fn what_is_secret_is_used_and_stands_nowhere() {
    let Some(testbed) = Testbed::find() else {
        return;
    };
    if !["postgres", "http", "sudo"]
        .iter()
        .all(|name| testbed.has(name))
    {
        return;
    }
    let secrets = ["gateway", "database", "clerk"].map(|name| testbed.secret(name));
    let [gateway, database, clerk] = &secrets;
    assert!(gateway.starts_with("sk-test-"), "{gateway}");
    let sources = |more: serde_json::Value| {
        let mut sources = json!({
            "models": {
                "http": "http://127.0.0.1:4000/v1/models",
                "headers": { "Authorization": { "env": "TEST_AUTHORIZATION" } },
            },
            "database": {
                "postgres": "monitoring_v2",
                "host": "127.0.0.1",
                "user": "monitoring",
                "password": { "env": "TEST_DATABASE_PASSWORD" },
            },
        });
        for (name, source) in more.as_object().expect("sources") {
            sources[name] = source.clone();
        }
        json!({ "sources": sources })
    };
    let fleet = testbed.fleet_of("dev-vm", &sources(json!({})));
    let watched = Watched::start(&testbed, "dev-vm", fleet.folder());
    let mut said: Vec<(String, Vec<u8>)> = Vec::new();
    for (way, key, password, exit) in [
        ("right", gateway.as_str(), database.as_str(), 0),
        ("right again", gateway, database, 0),
        // What is refused is shown by the server, and by errors, in other ways.
        ("swapped", database, gateway, 3),
    ] {
        for options in [&["--json"][..], &["-v"]] {
            let output = fleet
                .command(&[options, &["checkpoint", "dev-vm"]].concat())
                .env("TEST_AUTHORIZATION", format!("Bearer {key}"))
                .env("TEST_DATABASE_PASSWORD", password)
                .output()
                .expect("fleet starts");
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(exit), "{way}: {text}");
            said.push((format!("{way}, output"), output.stdout));
            said.push((format!("{way}, messages"), output.stderr));
        }
    }
    let clerks = testbed.fleet_of(
        "dev-vm",
        &json!({
            "user": "clerk",
            "sources": { "asterisk": { "directory": "/etc/asterisk", "sudo": true } },
        }),
    );
    if let Some(shown) = typed(&clerks, clerk) {
        said.push(("the terminal".to_owned(), shown.into_bytes()));
    }

    let words = watched.words();
    for word in ["pg_dump", "sudo"] {
        assert!(holds(&words, word), "the watch saw no {word}");
    }
    said.push(("arguments on the host".to_owned(), words));
    let logs = "sudo -n sh -c 'journalctl --no-pager 2>/dev/null; cat /var/log/*log /var/log/postgresql/* 2>/dev/null'";
    said.push((
        "the host's logs".to_owned(),
        testbed
            .tool(&["ssh", "dev-vm", &format!("{logs}; true")])
            .into_bytes(),
    ));
    for workstation in [&fleet, &clerks] {
        for folder in [
            workstation.store().to_owned(),
            workstation.folder().join("state"),
        ] {
            let files = written(&folder).into_iter();
            said.extend(files.map(|(path, bytes)| (path.display().to_string(), bytes)));
        }
    }
    for (place, bytes) in &said {
        for secret in &secrets {
            assert!(!holds(bytes, secret), "a secret stands in: {place}");
        }
    }
}
