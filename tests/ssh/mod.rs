//! The SSH layer against a real server on loopback, and through networks that break.

use fleet::guard::{Compression, Prune, ReadCommand, TarFlavour};
use fleet::name::RemotePath;
use fleet::ssh::{Connector, Error, Input, Options, ReadSession};

use crate::support::sshd::{Sshd, inventory};

mod answers;
mod channels;
mod commands;
mod config;
mod endings;
mod forward;
mod hops;
mod host_keys;
mod known_hosts;
mod login;
mod loss;
mod recording;
mod revocation;
mod rogue;
pub(crate) mod server;
mod streams;
mod sudo;
pub(crate) mod typed;
mod words;

/// A connector that reads nothing but the server's own configuration.
fn connector(sshd: &Sshd) -> Connector {
    Connector::new(sshd.ssh_config(), Options::default())
}

/// A session on the server, as the operator.
async fn session(sshd: &Sshd) -> Result<ReadSession, Error> {
    let host = sshd.host("web");
    connector(sshd)
        .connect(&inventory(vec![host.clone()]), &host)
        .await
}

fn probe() -> ReadCommand {
    ReadCommand::Probe { ask_sudo: false }
}

fn fetch() -> ReadCommand {
    ReadCommand::Fetch {
        tar: TarFlavour::Gnu,
        compression: Compression::None,
    }
}

/// GNU tar looks for holes in files of zeros and sends none of them; this one sends what it reads.
fn fetch_plain() -> ReadCommand {
    ReadCommand::Fetch {
        tar: TarFlavour::Bsd,
        compression: Compression::None,
    }
}

fn scan(root: &std::path::Path) -> ReadCommand {
    use std::os::unix::ffi::OsStrExt as _;
    ReadCommand::Scan {
        roots: vec![RemotePath::from_bytes(root.as_os_str().as_bytes()).expect("absolute")],
        prune: Vec::<Prune>::new(),
        one_file_system: true,
        facts: fleet::guard::FactsFrom::Find,
    }
}

/// What a scan of `path` answered behind its first records: the kind of find, and the real path.
fn records<'a>(stdout: &'a [u8], path: &std::path::Path) -> &'a [u8] {
    let end = stdout.iter().position(|&b| b == 0).expect("an opening");
    assert!(stdout.starts_with(b"gnu 1"), "{stdout:?}");
    let resolved = format!(">{}\0\0", path.display());
    stdout[end + 1..]
        .strip_prefix(resolved.as_bytes())
        .expect("the real path")
}

/// The list that a fetch takes: names without the leading `/`, each ended by `end`.
fn list(paths: &[&std::path::Path], end: u8) -> Input {
    use std::os::unix::ffi::OsStrExt as _;
    let mut bytes = Vec::new();
    for path in paths {
        bytes.extend_from_slice(&path.as_os_str().as_bytes()[1..]);
        bytes.push(end);
    }
    Input::bytes(bytes)
}

/// A file that no tar takes for sparse.
fn big_file(folder: &std::path::Path, bytes: u64) -> std::path::PathBuf {
    let file = folder.join("big");
    let mut out = std::fs::File::create(&file).expect("a file");
    let mut from = std::io::Read::take(std::io::repeat(b'x'), bytes);
    std::io::copy(&mut from, &mut out).expect("bytes");
    file
}
