//! A real PostgreSQL server on a Unix socket in a folder of its own, run by an account that isn't root.
//!
//! Nothing of a server of the machine is read or written. It ends with the value.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::sshd::{Process, eventually, user};

/// The password of the role `reader`, unlike anything else on the machine.
pub(crate) const PASSWORD: &str = "pw-7Qz' \"$x\\ü";

/// A server. `operator` may do everything and is always let in, the account that runs the server is let
/// in by its name, and `reader` by [`PASSWORD`].
pub(crate) struct Postgres {
    server: Process,
    folder: tempfile::TempDir,
    bin: PathBuf,
    account: String,
    port: u16,
}

impl Postgres {
    /// None where PostgreSQL isn't installed; that was said loudly.
    #[must_use]
    pub(crate) fn start() -> Option<Self> {
        Self::start_at(5432)
    }

    /// The same at another port.
    #[must_use]
    pub(crate) fn start_at(port: u16) -> Option<Self> {
        let bin = bin()?;
        let account = match user().as_str() {
            "root" => ["postgres", "nobody"]
                .into_iter()
                .find(|name| id(name).is_some())?
                .to_owned(),
            other => other.to_owned(),
        };
        let folder = tempfile::tempdir().expect("a folder");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), mode).expect("mode");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder");
        if let (Some(id), "root") = (id(&account), user().as_str()) {
            for path in [folder.path(), &data] {
                chown(path, Some(id), None).expect("root may");
            }
        }
        let made = as_account(&account, &bin.join("initdb"))
            .args([
                "--no-sync",
                "-A",
                "trust",
                "-U",
                "operator",
                "-E",
                "UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb starts");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let rules = format!(
            "local all operator trust\nlocal all reader scram-sha-256\nlocal all {account} peer\n"
        );
        fs::write(data.join("pg_hba.conf"), rules).expect("rules");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let child = as_account(&account, &bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args([
                "-c",
                &format!("port={port}"),
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
            ])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        let postgres = Self {
            server: Process(child),
            folder,
            bin,
            account,
            port,
        };
        eventually("the server answers", || {
            let asked = postgres
                .psql_command("postgres")
                .args(["-c", "SELECT 1"])
                .output();
            asked.is_ok_and(|output| output.status.success())
        });
        postgres.sql(
            "postgres",
            &format!("CREATE ROLE {} SUPERUSER LOGIN", postgres.account),
        );
        let password = PASSWORD.replace('\'', "''");
        postgres.sql(
            "postgres",
            &format!("CREATE ROLE reader LOGIN PASSWORD '{password}'"),
        );
        Some(postgres)
    }

    /// The folder of its socket.
    #[must_use]
    pub(crate) fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Its port.
    #[must_use]
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its programs.
    #[must_use]
    pub(crate) fn bin(&self) -> &Path {
        &self.bin
    }

    /// The account that runs it.
    #[must_use]
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// One of its programs, at this server as `operator`.
    #[must_use]
    pub(crate) fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .env("PGHOST", self.socket())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "operator");
        command
    }

    fn psql_command(&self, database: &str) -> Command {
        let mut command = self.tool("psql");
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-d",
            database,
        ]);
        command.stdin(Stdio::null());
        command
    }

    /// Runs SQL, and gives what it answers.
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        let output = self
            .psql_command(database)
            .args(["-c", text])
            .output()
            .expect("psql");
        assert!(
            output.status.success(),
            "{text}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a file of SQL.
    pub(crate) fn load(&self, database: &str, file: &Path) {
        let output = self
            .psql_command(database)
            .arg("-f")
            .arg(file)
            .output()
            .expect("psql");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The schema of a database as pg_dump tells it, without the lines that differ from run to run.
    #[must_use]
    pub(crate) fn schema(&self, database: &str, options: &[&str]) -> String {
        let output = self
            .tool("pg_dump")
            .args(options)
            .arg(database)
            .output()
            .expect("pg_dump");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).expect("text");
        let varies = ["\\restrict ", "\\unrestrict ", "-- Dumped "];
        text.lines()
            .filter(|line| !varies.iter().any(|start| line.starts_with(start)))
            .fold(String::new(), |text, line| text + line + "\n")
    }

    /// Locks a table, until the value is dropped.
    #[must_use]
    pub(crate) fn lock(&self, database: &str, table: &str) -> Lock<'_> {
        let text = format!("BEGIN; LOCK TABLE {table}; SELECT pg_sleep(600)");
        let child: Child = self
            .psql_command(database)
            .args(["-c", &text])
            .stderr(Stdio::null())
            .spawn()
            .expect("psql");
        let question = "SELECT count(*) FROM pg_locks WHERE granted AND mode = 'AccessExclusiveLock' \
                        AND relation = ANY (SELECT oid FROM pg_class WHERE relkind = 'r')";
        let lock = Lock(self, Process(child));
        eventually("the table is locked", || {
            self.sql(database, question).trim() != "0"
        });
        lock
    }
}

/// A table that is locked.
pub(crate) struct Lock<'a>(&'a Postgres, Process);

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // The server would not see that whoever locked it has gone.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()";
        self.0.sql("postgres", end);
        drop(self.1.0.wait());
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, and its children too; killing it would leave them to find that out.
        let pid = self.server.0.id().to_string();
        drop(Command::new("kill").args(["-QUIT", &pid]).status());
        drop(self.server.0.wait());
    }
}

/// Where the server's programs are, the newest ones.
fn bin() -> Option<PathBuf> {
    let packaged = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = packaged
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    if let Some((_, bin)) = versions.pop() {
        return Some(bin);
    }
    let initdb = super::sshd::installed("initdb")?;
    initdb.parent().map(Path::to_owned)
}

fn id(account: &str) -> Option<u32> {
    let output = Command::new("id").args(["-u", account]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// A program as another account, for PostgreSQL refuses root. It ends with the test.
fn as_account(account: &str, program: &Path) -> Command {
    if user() == account {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={account}"))
        .arg(format!("--regid={}", id_of_group(account)))
        .args(["--clear-groups", "--pdeathsig", "QUIT", "--"])
        .arg(program);
    command
}

fn id_of_group(account: &str) -> String {
    let output = Command::new("id")
        .args(["-g", account])
        .output()
        .expect("id");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}
