//! Everything that fleet can say to a host for reading: the whole list, and how each item looks on
//! the wire. How the script of each one reads is in the files below this one.
//!
//! A host that is read-only is told nothing that does not come out of this file. None of the
//! commands writes, creates a temporary file or starts anything that outlives it. What a user wrote
//! in the inventory appears only as quoted operands (paths, name patterns), never as an option.

mod facts;
mod fetch;
mod postgres;
mod probe;
mod run;
mod scan;

pub use postgres::{DumpOf, PostgresDump};

use super::judgement::protection;
use super::shell::quote;
use crate::inventory::{CommandLine, Host};
use crate::name::RemotePath;

/// One thing that fleet says to a host for reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadCommand {
    /// Which machine is it, and what can it do? Answers `key=value` lines.
    Probe {
        /// Also asks whether sudo works without a password.
        ask_sudo: bool,
    },
    /// Lists everything beneath the roots. Where `find` knows `-printf`, the first record is `gnu CLOCK`,
    /// the seconds of the host's clock as the scan begins, ended by NUL, and one record an entry follows,
    /// see [`Self::SCAN_FORMAT`]. Else it is `/`, and just the paths follow, each ended by NUL.
    Scan {
        /// The directories.
        roots: Vec<RemotePath>,
        /// Directories that need not be walked; a short cut, the matcher here decides.
        prune: Vec<Prune>,
        /// Other file systems are left out.
        one_file_system: bool,
    },
    /// Sends the SHA-256 of the regular files that it is told on its standard input (absolute paths,
    /// each ended by NUL), as records `DIGEST  PATH`, each ended by NUL. What cannot be read has none.
    Digest,
    /// What is the host like: how long is it up, how full are its disks, which versions does it have,
    /// what is checked out in these directories, and what runs from them? Answers `key=value` lines.
    /// Never asked through sudo.
    Facts {
        /// The directories.
        roots: Vec<RemotePath>,
    },
    /// Sends the paths that it is told on its standard input, each ended by NUL, as one tar stream.
    Fetch {
        /// Which tar the host has.
        tar: TarFlavour,
        /// What the stream is sent through on the host.
        compression: Compression,
    },
    /// Sends all that lies beneath the roots as one tar stream, for a tar that takes no list.
    FetchWhole {
        /// The directories.
        roots: Vec<RemotePath>,
    },
    /// Runs what the operator wrote in the inventory, and sends what it prints. At a protected host the
    /// inventory vouches that it only reads.
    Run {
        /// What is run.
        line: CommandLine,
        /// The account that runs it; none: the one that logged in, or root with sudo.
        run_as: Option<String>,
    },
    /// Sends a dump of a database, or of the roles of a server.
    Dump(PostgresDump),
}

/// A directory that a scan need not walk.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prune {
    /// Of this name, anywhere beneath a root; `*` and `?` are wildcards.
    Name(String),
    /// At exactly this path beneath each root; no wildcards.
    Beneath(String),
}

/// The tars that take a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarFlavour {
    /// GNU tar.
    Gnu,
    /// The tar of libarchive, as BSDs and macOS have it.
    Bsd,
}

/// How much of a host a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As much as any other.
    Full,
    /// What others leave over: lowest priority for processor and disk, where the host has the tools.
    /// Not idle: a busy host would then never answer.
    Gentle,
}

impl Pace {
    /// Protected hosts are there for others.
    #[must_use]
    pub fn on(host: &Host) -> Self {
        if protection(host).is_empty() {
            Self::Full
        } else {
            Self::Gentle
        }
    }
}

/// What a tar stream is sent through on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// `gzip -1`.
    Gzip,
    /// `zstd -1`.
    Zstd,
}

impl Compression {
    /// The tool that the host needs for it.
    #[must_use]
    pub fn tool(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }
}

/// How a command comes by the rights that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// It runs as the account that logged in.
    No,
    /// `sudo -n`: without a password or not at all.
    NonInteractive,
    /// `sudo -S`: the password is the first line of the standard input, and nothing else may be
    /// sent before the opening line was answered.
    Password,
}

/// A command as it goes over the wire.
///
/// Its standard input stays open until the closing line has come: an input that ends before that ends
/// the command, so that a connection that is lost leaves nothing behind on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What the login shell of the host is given.
    pub line: Vec<u8>,
    /// The line, without its end, that comes before the output; what comes before it is noise of
    /// the login shell.
    pub opening: String,
    /// What comes behind the output, followed by the exit status and a line end. Begins with a line
    /// end of its own.
    pub closing: String,
}

impl ReadCommand {
    /// The `-printf` format of a scan record: kind, mode, uid, gid, size, mtime, ctime, inode, device,
    /// links, path NUL, link target NUL. A `!` before it marks what the account cannot read.
    pub const SCAN_FORMAT: &'static str = r"%y %m %U %G %s %T@ %C@ %i %D %n %p\0%l\0";

    /// The exit status of a fetch whose compressor failed; tar itself never exits with it.
    pub const COMPRESSOR_FAILED: u32 = 70;

    /// The command as it goes over the wire. `nonce` is a word that no host can know beforehand, and
    /// `input_bytes` is the length of what follows on its standard input.
    ///
    /// Where root may run a shell, root runs the whole script, and so can end what it has started. Where
    /// it may run the tools alone, the account that logged in runs the script and can't: a silent tool
    /// then outlives a lost connection until it says something.
    #[must_use]
    pub fn render(&self, nonce: &str, sudo: Sudo, pace: Pace, input_bytes: u64) -> Rendered {
        let opening = format!("{nonce} begin");
        let script = |sudo| quote(&self.script(nonce, &opening, sudo, pace, input_bytes));
        let line = match sudo {
            Sudo::No => [b"exec sh -c ".as_slice(), &script(Sudo::No)].concat(),
            Sudo::Password => [
                b"exec sudo -S -k -p '' ".as_slice(),
                &self.account().map_or_else(Vec::new, postgres::as_account),
                b"-- sh -c ",
                &script(Sudo::Password),
            ]
            .concat(),
            // It becomes the account by itself: root is not asked for.
            Sudo::NonInteractive if self.account().is_some() => {
                [b"exec sh -c ".as_slice(), &script(Sudo::NonInteractive)].concat()
            }
            Sudo::NonInteractive => {
                let either = [
                    b"if sudo -n -l sh </dev/null >/dev/null 2>&1; then exec sudo -n -- sh -c "
                        .as_slice(),
                    &script(Sudo::Password),
                    b"; fi; exec sh -c ",
                    &script(Sudo::NonInteractive),
                ]
                .concat();
                [b"exec sh -c ".as_slice(), &quote(&either)].concat()
            }
        };
        let closing = format!("\n{nonce} end ");
        Rendered {
            line,
            opening,
            closing,
        }
    }

    /// The account that sudo is asked for, if not root.
    fn account(&self) -> Option<&str> {
        match self {
            Self::Dump(dump) => dump.run_as.as_deref(),
            Self::Probe { .. }
            | Self::Scan { .. }
            | Self::Digest
            | Self::Fetch { .. }
            | Self::FetchWhole { .. }
            | Self::Facts { .. }
            | Self::Run { .. } => None,
        }
    }

    /// The script itself: what comes before the answer, the answer, and what comes behind it.
    fn script(
        &self,
        nonce: &str,
        opening: &str,
        sudo: Sudo,
        pace: Pace,
        input_bytes: u64,
    ) -> Vec<u8> {
        let mut script = b"LC_ALL=C; export LC_ALL; ".to_vec();
        script.extend_from_slice(b"printf '%s\\n' ");
        script.extend(quote(opening.as_bytes()));
        script.extend_from_slice(b"; ");
        script.extend_from_slice(match pace {
            Pace::Full => b"",
            // The shell steps back itself, and whatever it starts with it.
            Pace::Gentle => {
                b"{ renice -n 10 -p $$; ionice -c 2 -n 7 -p $$; } </dev/null >/dev/null 2>&1; "
            }
        });
        // The closing line makes the other side end the input, and that ends the whole group: by then
        // the shell that tells the exit status must be past being ended.
        let mut closes = b"s=$?; trap '' TERM; printf '\\n%s end %s\\n' ".to_vec();
        closes.extend(quote(nonce.as_bytes()));
        closes.extend_from_slice(b" \"$s\"; exit \"$s\"");
        let prefix: &[u8] = match sudo {
            Sudo::NonInteractive => b"sudo -n -- ",
            Sudo::No | Sudo::Password => b"",
        };
        script.extend(match self {
            Self::Probe { ask_sudo } => watched(&probe::probe(*ask_sudo)),
            Self::Scan {
                roots,
                prune,
                one_file_system,
            } => watched(&scan::scan(prefix, roots, prune, *one_file_system)),
            Self::Digest => {
                let digest = [&fetch::digest(prefix), b"; ".as_slice(), &closes].concat();
                watched_with_list(&digest, input_bytes)
            }
            Self::Fetch { tar, compression } => {
                let tar = fetch::compressed(&fetch::fetch(prefix, *tar), *compression);
                let tar = [&tar, b"; ".as_slice(), &closes].concat();
                watched_with_list(&tar, input_bytes)
            }
            Self::FetchWhole { roots } => watched(&fetch::fetch_whole(prefix, roots)),
            Self::Run { line, run_as } => run::run(line, run_as.as_deref(), sudo),
            // The shell's parent is the server's end of the connection.
            Self::Facts { roots } => [
                b"FLEET_LOGIN=$PPID; export FLEET_LOGIN; ".as_slice(),
                &watched(&facts::facts(roots)),
            ]
            .concat(),
            Self::Dump(dump) => postgres::dump(dump, sudo),
        });
        script.extend_from_slice(match self {
            Self::Probe { .. }
            | Self::Scan { .. }
            | Self::FetchWhole { .. }
            | Self::Run { .. }
            | Self::Facts { .. }
            | Self::Dump(_) => &closes,
            Self::Fetch { .. } | Self::Digest => b"exit $?",
        });
        script
    }
}

/// Ends the group of `$p`. An input that ends at once may end before `setsid` has made the group;
/// hence the second try.
const END: &[u8] = b"kill -TERM -$p || { sleep 1; kill -TERM -$p; }";

/// The same for what may not listen.
const END_FOR_GOOD: &[u8] =
    b"trap '' TERM; kill -TERM -$p || { sleep 1; kill -TERM -$p; }; sleep 3; kill -KILL -$p";

/// Runs `script` so that it ends when its standard input does: a connection that is lost then leaves
/// nothing behind on the host, however long the script is silent. Ends with its exit status in `$?`.
fn watched(script: &[u8]) -> Vec<u8> {
    watched_and(END, script)
}

/// The same; `end` is what is done when the input has ended.
fn watched_and(end: &[u8], script: &[u8]) -> Vec<u8> {
    let script = quote(script);
    [
        b"exec 3<&0; if command -v setsid >/dev/null 2>&1; then setsid sh -c ",
        script.as_slice(),
        b" </dev/null 3<&- & p=$!; { cat <&3 >/dev/null; ",
        end,
        b"; } >/dev/null 2>&1 & w=$!; exec 3<&-; wait $p; s=$?; kill $w 2>/dev/null; else sh -c ",
        &script,
        b" </dev/null 3<&-; s=$?; fi; (exit $s); ",
    ]
    .concat()
}

/// The same for a `script` whose standard input is a list: the first `list_bytes` of the input.
///
/// Whoever hands the list on then watches the input, and ends the group that it is in, itself and the
/// shell above excepted.
fn watched_with_list(script: &[u8], list_bytes: u64) -> Vec<u8> {
    let list = format!("head -c {list_bytes} <&3; exec >&-");
    let mut group = format!(
        "trap : TERM; {{ {list}; cat <&3 >/dev/null; trap '' TERM; kill -TERM 0; }} 2>/dev/null | {{ "
    )
    .into_bytes();
    group.extend_from_slice(script);
    group.extend_from_slice(b"; }; exit $?");

    let mut text = b"exec 3<&0; if command -v setsid >/dev/null 2>&1; then setsid sh -c ".to_vec();
    text.extend(quote(&group));
    text.extend_from_slice(b" </dev/null; else { ");
    text.extend_from_slice(list.as_bytes());
    text.extend_from_slice(b"; } | { ");
    text.extend_from_slice(script);
    text.extend_from_slice(b"; }; fi; ");
    text
}

#[cfg(test)]
mod tests;
