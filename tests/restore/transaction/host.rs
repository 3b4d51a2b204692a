//! Runs commands as sshd does, with the shells and tools of this machine, and kills them where it is asked to.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use fleet::guard::{
    Compression, Priority, ReadCommand, Rendered, RestoreRoot, RestoreTools, Sudo, Transaction,
    TransactionStep, WriteCommand,
};
use fleet::name::{RemotePath, RestoreId};

const NONCE: &str = "0123456789abcdef0123456789abcdef";

/// A host on which one restore runs.
pub(super) struct Host {
    folder: tempfile::TempDir,
    pub(super) id: RestoreId,
    pub(super) roots: Vec<PathBuf>,
    /// Where its tools are looked for.
    pub(super) path: String,
    is_nobody: bool,
    pub(super) tools: RestoreTools,
}

/// What a command answers.
#[derive(Debug)]
pub(super) struct Answer {
    /// Of the frame; none if it was killed.
    pub(super) status: Option<u32>,
    pub(super) lines: Vec<String>,
    pub(super) stderr: String,
}

impl Answer {
    /// The lines of a command that did all that it should.
    #[track_caller]
    pub(super) fn ok(self) -> Vec<String> {
        assert_eq!(self.status, Some(0), "{self:?}");
        self.lines
    }

    /// Asserts that it failed with `status` and says `why`.
    #[track_caller]
    pub(super) fn refused(&self, status: u32, why: &str) {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.stderr.contains(why), "{self:?}");
    }
}

/// Whether a command runs to its end.
#[derive(Clone, Copy)]
pub(super) enum Fate<'a> {
    Whole,
    /// Killed before its nth change by the tracer; with 0 changes are just counted.
    Killed(&'a Path, u64),
}

impl Host {
    /// A host with the roots `names`, which are not made.
    pub(super) fn new(names: &[&str]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) << 32 | u64::from(std::process::id());
        let [_, _, random @ ..] = number.to_be_bytes();
        // Where syncing is cheap: it is done hundreds of times.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder");
        fs::create_dir(folder.path().join("var-lib")).expect("a folder");
        let roots = names.iter().map(|name| folder.path().join(name)).collect();
        Self {
            folder,
            id: RestoreId::of(random),
            roots,
            path: std::env::var("PATH").expect("a search path"),
            is_nobody: false,
            tools: RestoreTools::Gnu,
        }
    }

    /// The same where all tools are busybox's; none where that is not installed.
    pub(super) fn with_busybox(mut self) -> Option<Self> {
        let busybox = crate::support::sshd::installed("busybox")?;
        let bin = self.folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        let listed = Command::new(&busybox).arg("--list").output();
        let listed = listed.expect("busybox").stdout;
        for name in String::from_utf8(listed).expect("names").lines() {
            std::os::unix::fs::symlink(&busybox, bin.join(name)).expect("a link");
        }
        self.path = bin.to_str().expect("text").to_owned();
        self.tools = RestoreTools::Slow;
        Some(self)
    }

    /// The same where `sh` is another program.
    pub(super) fn with_sh(self, program: &Path) -> Self {
        let bin = self.folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(program, bin.join("sh")).expect("a link");
        self.with_bin(&bin)
    }

    /// The same where a tool is a script.
    pub(super) fn with_tool(self, name: &str, script: &str) -> Self {
        let bin = self.folder.path().join("bin");
        fs::create_dir(&bin).expect("a folder");
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).expect("a script");
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).expect("a mode");
        self.with_bin(&bin)
    }

    fn with_bin(mut self, bin: &Path) -> Self {
        let path = std::env::var("PATH").expect("a search path");
        self.path = format!("{}:{path}", bin.display());
        self
    }

    /// The same with an account that is not root, whose folder it is.
    pub(super) fn of_nobody(mut self) -> Self {
        shell("chown -R 65534:65534 \"$1\"", &[self.folder.path()]);
        self.is_nobody = true;
        self
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the record.
    pub(super) fn record(&self) -> PathBuf {
        let books = match (
            rustix::process::geteuid().is_root() && !self.is_nobody,
            has_own_mounts(),
        ) {
            (true, true) => self.folder.path().join("var-lib/fleet/restore"),
            (true, false) => PathBuf::from("/var/lib/fleet/restore"),
            (false, _) => self.folder.path().join(".fleet-restores"),
        };
        books.join(self.id.as_str())
    }

    /// The staging folder of the nth root.
    pub(super) fn staging(&self, n: usize) -> PathBuf {
        self.roots[n].join(".fleet-restore")
    }

    pub(super) fn begin(&self) -> Answer {
        self.begin_then(Fate::Whole)
    }

    pub(super) fn begin_then(&self, fate: Fate<'_>) -> Answer {
        self.write(self.beginning(), b"the record of it\n", fate)
    }

    pub(super) fn beginning(&self) -> Transaction {
        Transaction::Begin {
            id: self.id.clone(),
            roots: self.roots.iter().map(|root| path(root)).collect(),
            tools: self.tools,
        }
    }

    pub(super) fn stage(&self, n: usize, compression: Compression, data: &[u8]) -> Answer {
        self.stage_then(n, compression, data, Fate::Whole)
    }

    pub(super) fn stage_then(
        &self,
        n: usize,
        compression: Compression,
        data: &[u8],
        fate: Fate<'_>,
    ) -> Answer {
        self.write(self.staging_command(n, compression), data, fate)
    }

    pub(super) fn staging_command(&self, n: usize, compression: Compression) -> Transaction {
        Transaction::Stage {
            id: self.id.clone(),
            root: root(&self.roots[n]),
            compression,
        }
    }

    pub(super) fn step(&self, step: TransactionStep) -> Answer {
        self.step_then(step, Fate::Whole)
    }

    pub(super) fn step_then(&self, step: TransactionStep, fate: Fate<'_>) -> Answer {
        let roots = self.roots.iter().map(|path| root(path)).collect();
        self.step_in(step, roots, fate)
    }

    pub(super) fn step_in(
        &self,
        step: TransactionStep,
        roots: Vec<RestoreRoot>,
        fate: Fate<'_>,
    ) -> Answer {
        self.write(self.command(step, roots), b"", fate)
    }

    pub(super) fn command(&self, step: TransactionStep, roots: Vec<RestoreRoot>) -> Transaction {
        Transaction::Step {
            id: self.id.clone(),
            roots,
            step,
        }
    }

    /// What the host says of restores, about this one alone.
    pub(super) fn restores(&self) -> Vec<String> {
        let command = ReadCommand::Restores { roots: Vec::new() };
        let rendered = command.render(NONCE, Sudo::No, Priority::Normal, 0);
        let lines = self.run(&rendered, b"", Fate::Whole).ok();
        let of_this = format!("record {} ", self.id);
        let mut own = lines
            .into_iter()
            .skip_while(|line| !line.starts_with(&of_this));
        let first = own.next();
        let rest = own.take_while(|line| !line.starts_with("record "));
        first.into_iter().chain(rest).collect()
    }

    fn write(&self, command: Transaction, data: &[u8], fate: Fate<'_>) -> Answer {
        self.run(&self.rendered(command, data.len()), data, fate)
    }

    pub(super) fn rendered(&self, command: Transaction, data_bytes: usize) -> Rendered {
        WriteCommand::Transaction(command).render(
            NONCE,
            Sudo::No,
            Priority::Normal,
            data_bytes as u64,
        )
    }

    /// The shell that runs a command line, as sshd starts it.
    pub(super) fn login(&self, fate: Fate<'_>) -> Command {
        let mut login = match fate {
            Fate::Whole => self.program("sh"),
            Fate::Killed(tracer, at) => {
                let mut login = self.program(tracer);
                login
                    .arg(self.folder.path().join("changes"))
                    .arg(at.to_string())
                    .arg("sh");
                login
            }
        };
        login
            .env("HOME", self.folder.path())
            .env("PATH", &self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        login
    }

    /// A program that sees the folder `var-lib` of this host as `/var/lib`, where root's records are.
    pub(super) fn program(&self, program: impl AsRef<OsStr>) -> Command {
        if self.is_nobody {
            let mut command = Command::new(of_this_machine("setpriv"));
            command
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(program);
            return command;
        }
        if !has_own_mounts() {
            return Command::new(program);
        }
        let mut command = Command::new(of_this_machine("unshare"));
        command
            .args([
                "--mount",
                "/bin/sh",
                "-c",
                "PATH=/usr/bin:/bin mount --bind \"$0\" /var/lib && exec \"$@\"",
            ])
            .arg(self.folder.path().join("var-lib"))
            .arg(program);
        command
    }

    /// How many changes the last command made that ran with the tracer.
    pub(super) fn changes(&self) -> u64 {
        let text = fs::read_to_string(self.folder.path().join("changes")).expect("a report");
        text.trim().parse().expect("a number")
    }

    /// Runs a command whose input ends behind `data`, as where the connection is lost.
    pub(super) fn cut(&self, rendered: &Rendered, data: &[u8], path: Option<&str>) -> Answer {
        let mut login = self.login(Fate::Whole);
        if let Some(path) = path {
            login.env("PATH", path);
        }
        let mut child = login
            .arg("-c")
            .arg(OsStr::from_bytes(rendered.line()))
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        drop(stdin.write_all(&[rendered.preamble(), data].concat()));
        drop(stdin);
        if path.is_some() {
            // Nobody waits for its end.
            std::thread::spawn(move || child.wait_with_output());
            return Answer {
                status: None,
                lines: Vec::new(),
                stderr: String::new(),
            };
        }
        let output = child.wait_with_output().expect("it ends");
        Answer {
            status: ended(&output.stdout, rendered.closing().as_bytes()),
            lines: Vec::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn run(&self, rendered: &Rendered, data: &[u8], fate: Fate<'_>) -> Answer {
        let mut child = self
            .login(fate)
            .arg("-c")
            .arg(OsStr::from_bytes(rendered.line()))
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("piped");
        let all = [rendered.preamble(), data, b"60\n"].concat();
        // A command that was killed takes nothing more.
        let writer = std::thread::spawn(move || {
            drop(stdin.write_all(&all));
            stdin
        });
        let mut stderr = child.stderr.take().expect("piped");
        let said = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            drop(stderr.read_to_end(&mut bytes));
            bytes
        });
        let mut stdout = child.stdout.take().expect("piped");
        let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
        let closing = rendered.closing().as_bytes();
        let status = loop {
            if let Some(status) = ended(&bytes, closing) {
                break Some(status);
            }
            match stdout.read(&mut piece).expect("it can be read") {
                0 => break None,
                length => bytes.extend_from_slice(&piece[..length]),
            }
        };
        drop(writer.join().expect("it is written"));
        child.wait().expect("it ends");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text
            .split(&String::from_utf8_lossy(closing).into_owned())
            .next()
            .unwrap_or_default();
        Answer {
            status,
            lines: body
                .lines()
                .skip(2)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            stderr: String::from_utf8_lossy(&said.join().expect("it ends"))
                .trim_start()
                .to_owned(),
        }
    }
}

/// The status in the closing line, if it has come.
fn ended(bytes: &[u8], closing: &[u8]) -> Option<u32> {
    let at = bytes
        .windows(closing.len())
        .rposition(|window| window == closing)?;
    let line = bytes[at + closing.len()..].strip_suffix(b"\n")?;
    std::str::from_utf8(line)
        .ok()?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

impl Drop for Host {
    fn drop(&mut self) {
        // What a test that failed has left.
        drop(fs::remove_dir_all(self.record()));
    }
}

/// A program by its full name, wherever the host looks for its own.
fn of_this_machine(name: &str) -> PathBuf {
    crate::support::sshd::installed(name).unwrap_or_else(|| name.into())
}

/// Whether this account can give a process mounts of its own.
fn has_own_mounts() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "mount", "--bind", "/var/lib", "/var/lib"]);
        command.output().is_ok_and(|output| output.status.success())
    })
}

pub(super) fn path(path: &Path) -> RemotePath {
    RemotePath::from_bytes(path.as_os_str().as_bytes()).expect("absolute")
}

/// A root as a `begin` there has answered.
pub(super) fn root(at: &Path) -> RestoreRoot {
    let facts = fs::metadata(at).expect("a directory");
    RestoreRoot {
        path: path(at),
        device: facts.dev(),
        inode: facts.ino(),
    }
}

/// Runs a command line of the test's own.
#[track_caller]
pub(super) fn shell(line: &str, arguments: &[&Path]) {
    let output = Command::new("sh")
        .args(["-euc", line, "sh"])
        .args(arguments)
        .output()
        .expect("sh");
    assert!(output.status.success(), "{line}: {output:?}");
}

/// The folders `want` and `live` with every kind of difference, in `folder`.
pub(super) fn trees(folder: &Path) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/restore/transaction/tree.sh"
    );
    shell("sh \"$1\" \"$2\"", &[Path::new(script), folder]);
}
