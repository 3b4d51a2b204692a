//! The request of each command: a verb, and the values that its script decodes.

use super::{ARGUMENTS_MAX_BYTES, Compression, FactsFrom, Prune, ReadCommand, TarFlavour};
use crate::guard::script::{Request, Verb};
use crate::inventory::CommandLine;
use crate::inventory::glob::Walk;
use crate::name::{PackageName, RemotePath};

/// More directories than this are not looked at for facts.
const FACTS_ROOTS_MAX: usize = 16;

/// The kernel cuts the name of a process here.
const PROCESS_NAME_MAX_BYTES: usize = 15;

impl ReadCommand {
    /// The request for it, with `data_bytes` of data behind.
    pub(super) fn request(&self, data_bytes: u64) -> Request {
        match self {
            Self::Probe { ask_sudo } => {
                let mut request = Request::new(Verb::Probe);
                if *ask_sudo {
                    request.with("sudo", "1");
                }
                request
            }
            Self::Scan {
                roots,
                prune,
                one_file_system,
                facts,
            } => {
                let mut request = Request::new(Verb::Scan);
                ask_facts(*facts, &mut request);
                scan(roots, prune, *one_file_system, request)
            }
            Self::ScanFiles { walks, facts } => {
                let mut request = Request::new(Verb::Files);
                ask_facts(*facts, &mut request);
                scan_files(walks, request)
            }
            Self::Digest => {
                let mut request = Request::new(Verb::Digest);
                request.with("bytes", data_bytes.to_string());
                request
            }
            Self::Read => {
                let mut request = Request::new(Verb::Contents);
                request.with("bytes", data_bytes.to_string());
                request
            }
            Self::Facts { roots, versions } => facts(roots, versions.as_deref()),
            Self::Accounts { users, groups } => accounts(users, groups),
            Self::Packages { names } => packages(names),
            Self::Ground { roots } => {
                let mut request = Request::new(Verb::Ground);
                request.with("bytes", data_bytes.to_string());
                for root in roots {
                    request.with("root", root.as_bytes());
                }
                request
            }
            Self::Fetch { tar, compression } => fetch(*tar, *compression, data_bytes),
            Self::FetchWhole { roots } => {
                let mut request = Request::new(Verb::Whole);
                for root in roots {
                    // The file system's root is the only one without a name.
                    let member = root.member();
                    request.with("member", if member.is_empty() { b"." } else { member });
                }
                request
            }
            Self::Run(command) => run(command.line()),
            Self::Dump(dump) => dump.request(),
            Self::Restores { roots } => {
                let mut request = Request::new(Verb::Restores);
                for root in roots {
                    request.with("root", root.as_bytes());
                }
                request
            }
            Self::RestoreTools => Request::new(Verb::RestoreTools),
            Self::Services(query) => query.request(),
            Self::Answers { database, .. } => {
                let mut request = Request::new(Verb::Answers);
                request.with("timeout", "5");
                request.with("db", database);
                request
            }
            Self::Databases(facts) => facts.request(),
        }
    }
}

fn ask_facts(from: FactsFrom, request: &mut Request) {
    match from {
        FactsFrom::Find => {}
        FactsFrom::FindOrStat => request.with("facts", "1"),
    }
}

fn scan(
    roots: &[RemotePath],
    prune: &[Prune],
    one_file_system: bool,
    mut request: Request,
) -> Request {
    if one_file_system {
        request.with("xdev", "1");
    }
    // What is pruned is a short cut: without it the matcher here leaves out the same entries.
    let prune_bytes: usize = prune.iter().map(|prune| prune.as_str().len() + 32).sum();
    let root_bytes = roots.iter().map(|root| root.as_bytes().len()).max();
    let arguments_bytes = prune_bytes + prune.len() * root_bytes.unwrap_or(0);
    if arguments_bytes <= ARGUMENTS_MAX_BYTES {
        for prune in prune {
            match prune {
                Prune::Name(pattern) => request.with("name", pattern),
                Prune::Beneath(path) => request.with("beneath", glob_literal(path.as_bytes())),
            }
        }
    }
    for root in roots {
        let bytes = root.as_bytes();
        let glob = glob_literal(bytes.strip_suffix(b"/").unwrap_or(bytes));
        if glob != bytes && !glob.is_empty() {
            request.with("glob", glob);
        }
        request.with("root", bytes);
    }
    request
}

fn scan_files(walks: &[Walk], mut request: Request) -> Request {
    for walk in walks {
        request.with("min", walk.depth_min.to_string());
        if let Some(depth) = walk.depth_max {
            request.with("max", depth.to_string());
        }
        if let Some(name) = &walk.name {
            request.with("name", name);
        }
        request.with("from", walk.from.as_bytes());
    }
    request
}

fn accounts(users: &[String], groups: &[String]) -> Request {
    let mut request = Request::new(Verb::Accounts);
    for user in users.iter().filter(|name| is_account(name)) {
        request.with("user", user);
    }
    for group in groups.iter().filter(|name| is_account(name)) {
        request.with("group", group);
    }
    request
}

fn packages(names: &[PackageName]) -> Request {
    let mut request = Request::new(Verb::Packages);
    for name in names {
        request.with("package", name.as_str());
    }
    request
}

fn facts(roots: &[RemotePath], versions: Option<&str>) -> Request {
    let mut request = Request::new(Verb::Facts);
    if let Some(versions) = versions {
        request.with("versions", versions);
    }
    let roots: Vec<&[u8]> = roots
        .iter()
        .map(RemotePath::as_bytes)
        // They are searched for in lines, and all that is beneath `/` is no answer.
        .filter(|root| *root != b"/" && !root.contains(&b'\n'))
        .take(FACTS_ROOTS_MAX)
        .collect();
    for name in process_names(&roots) {
        request.with("name", name);
    }
    for root in roots {
        request.with("root", root);
        request.with("glob", glob_literal(root));
    }
    request
}

/// Programs that are named as a directory is: `/etc/asterisk` belongs to `asterisk`.
fn process_names<'a>(roots: &[&'a [u8]]) -> Vec<&'a str> {
    let mut names: Vec<&str> = roots
        .iter()
        .filter_map(|root| root.rsplit(|&b| b == b'/').next())
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            name.chars().all(plain) && !name.starts_with('-')
        })
        .map(|name| &name[..name.len().min(PROCESS_NAME_MAX_BYTES)])
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// What no option of `getent` and no other line of an account file can be taken for.
fn is_account(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.contains([':', '\n', '\0'])
}

fn fetch(tar: TarFlavour, compression: Compression, data_bytes: u64) -> Request {
    let mut request = Request::new(Verb::Fetch);
    request.with("bytes", data_bytes.to_string());
    match tar {
        TarFlavour::Gnu => {}
        TarFlavour::GnuDense => request.with("tar", "dense"),
        TarFlavour::Bsd => request.with("tar", "bsd"),
    }
    if let Some(tool) = compression.tool() {
        request.with("pack", tool);
    }
    request
}

fn run(line: &CommandLine) -> Request {
    let mut request = Request::new(Verb::Run);
    match line {
        CommandLine::Argv(words) => {
            for word in words {
                request.with("arg", word);
            }
        }
        CommandLine::Shell(text) => request.with("shell", text),
    }
    request
}

/// A pattern of `find` that matches just `bytes`.
fn glob_literal(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}
