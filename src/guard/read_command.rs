//! The commands that fleet runs on a host to read from it: the whole list, and each one's request. The
//! scripts that serve the requests are in `src/guard/scripts`.
//!
//! Nothing else is ever executed on a read-only host. No command writes, creates a temporary file or
//! starts anything that outlives it. What a user wrote in the inventory travels as encoded values of a
//! request, never as shell text and never as an option of a tool.
//!
//! A host's web server is asked through the SSH connection, without a command: see [`super::http_get`].

mod postgres;
mod request;
mod script;

pub use postgres::{DumpOf, PostgresDump};

use super::judgement::is_protected;
use super::vouched_command::VouchedCommand;
use crate::inventory::Host;
use crate::inventory::glob::Walk;
use crate::name::{AccountName, HostName, RemotePath};

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
    /// Lists what is where patterns of names may match, in the records of [`Self::Scan`]. A `find` that
    /// knows no `-printf` tells of regular files and symbolic links only.
    ScanFiles {
        /// Where, and how far.
        walks: Vec<Walk>,
    },
    /// Sends the SHA-256 of the regular files listed on its standard input (absolute paths,
    /// each ended by NUL), as records `DIGEST  PATH`, each ended by NUL. What cannot be read has none.
    Digest,
    /// Sends the contents of the files listed on its standard input (absolute paths, each ended
    /// by NUL), up to 16 MiB and a byte of each, in hexadecimal bytes as `od` prints them; behind each a
    /// line `. STATUS`.
    Read,
    /// What is the host like: how long is it up, how full are its disks, which versions does it have,
    /// what is checked out in these directories, and what runs from them? Answers `key=value` lines.
    /// Never asked through sudo.
    Facts {
        /// The directories.
        roots: Vec<RemotePath>,
        /// What identified the programs when their versions were last asked; while it still does, the
        /// answer is `versions=same`.
        versions: Option<String>,
    },
    /// Sends the paths listed on its standard input, each ended by NUL, as one tar stream.
    Fetch {
        /// Which tar the host has.
        tar: TarFlavour,
        /// What the stream is sent through on the host.
        compression: Compression,
    },
    /// Sends all that is beneath the roots as one tar stream, for a tar that takes no list.
    FetchWhole {
        /// The directories.
        roots: Vec<RemotePath>,
    },
    /// Runs what the operator wrote in the inventory, and sends what it prints. On a protected host the
    /// inventory vouches that it only reads.
    Run(VouchedCommand),
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

impl Prune {
    fn as_str(&self) -> &str {
        match self {
            Self::Name(text) | Self::Beneath(text) => text,
        }
    }
}

/// The tars that take a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarFlavour {
    /// GNU tar.
    Gnu,
    /// GNU tar, for files that report no blocks: it reads them whole, and takes nothing for a hole.
    GnuDense,
    /// The tar of libarchive, as BSDs and macOS have it.
    Bsd,
}

/// How much of a host a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// As much as any other.
    Normal,
    /// What others leave over: nice 10, from which the kernel derives the priority for disks. Not the
    /// lowest: a busy host would then never answer.
    Low,
}

impl Priority {
    /// Protected hosts are there for others.
    #[must_use]
    pub fn on(host: &Host) -> Self {
        if is_protected(host) {
            Self::Low
        } else {
            Self::Normal
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

/// How a command gets the rights that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// It runs as the account that logged in.
    No,
    /// `sudo -n` runs the whole script: without a password or not at all.
    NonInteractive,
    /// `sudo -S` runs the whole script: the password is the first line of the standard input, and
    /// nothing else may be sent before the host has answered.
    Password,
    /// The account that logged in runs the script, and `sudo -n` its tools, for an account that may run
    /// those as root but no shell. An account that is root already, or is the one that is asked for,
    /// needs no sudo. What a tool started so does not print keeps it running after a lost connection.
    Tools,
}

/// A command as it goes over the wire: made by [`ReadCommand::render`] alone, and never changed.
///
/// Its standard input stays open until the closing line has come: an input that ends before that ends
/// the command, so that a connection that is lost leaves nothing behind on the host.
///
/// ```compile_fail,E0616
/// use fleet::guard::{Priority, ReadCommand, Sudo};
/// fn sneak(command: &ReadCommand) -> fleet::guard::Rendered {
///     let mut rendered = command.render("0f", Sudo::No, Priority::Normal, 0);
///     rendered.preamble.extend_from_slice(b"rm -rf /\n");
///     rendered
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn sneak(rendered: fleet::guard::Rendered) -> fleet::guard::Rendered {
///     fleet::guard::Rendered { line: b"rm -rf /".to_vec(), ..rendered }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    verb: &'static str,
    line: Vec<u8>,
    ready: String,
    preamble: Vec<u8>,
    opening: String,
    closing: String,
}

impl Rendered {
    /// The word that names the command in its request: `probe`, `scan`, `fetch` …
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.verb
    }

    /// The command line. It is the same for all commands but for the nonce.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The line, without its end, that is printed once the shell reads its input: sudo is satisfied.
    #[must_use]
    pub fn ready(&self) -> &str {
        &self.ready
    }

    /// What the shell reads first; data follows it.
    #[must_use]
    pub fn preamble(&self) -> &[u8] {
        &self.preamble
    }

    /// The line, without its end, that comes before the output; what comes before it is noise of
    /// the login shell.
    #[must_use]
    pub fn opening(&self) -> &str {
        &self.opening
    }

    /// What comes behind the output, followed by the exit status and a line end. Begins with a line
    /// end of its own.
    #[must_use]
    pub fn closing(&self) -> &str {
        &self.closing
    }
}

impl ReadCommand {
    /// The `-printf` format of a scan record: kind, mode, uid, gid, size, mtime, ctime, inode, device,
    /// links, blocks of 512 bytes, path NUL, link target NUL. A `!` before it marks what the account
    /// cannot read.
    pub const SCAN_FORMAT: &'static str = r"%y %m %U %G %s %T@ %C@ %i %D %n %b %p\0%l\0";

    /// The exit status of a fetch whose compressor failed; tar itself never exits with it.
    pub const COMPRESSOR_FAILED: u32 = 70;

    /// The command as it goes over the wire. `nonce` is a word of hexadecimal digits that no host can
    /// know beforehand, and `data_bytes` is the length of what follows the request on standard input.
    #[must_use]
    pub fn render(&self, nonce: &str, sudo: Sudo, pace: Priority, data_bytes: u64) -> Rendered {
        let mut request = self.request(data_bytes);
        match pace {
            Priority::Normal => {}
            Priority::Low => request.with("pace", "gentle"),
        }
        match sudo {
            Sudo::No | Sudo::NonInteractive | Sudo::Password => {}
            Sudo::Tools => {
                if let Some(account) = self.account() {
                    request.with("as", account.as_str());
                }
                request.with("tools", "1");
            }
        }
        Rendered {
            verb: request.verb_name(),
            line: script::command_line(nonce, sudo, self.account()),
            ready: nonce.to_owned(),
            preamble: request.preamble(nonce),
            opening: format!("{nonce} begin plain 1"),
            closing: format!("\n{nonce} end "),
        }
    }

    /// The only host on which it may run; none: any host of the inventory.
    #[must_use]
    pub fn only_host(&self) -> Option<&HostName> {
        match self {
            Self::Run(command) => Some(command.host()),
            Self::Probe { .. }
            | Self::Scan { .. }
            | Self::ScanFiles { .. }
            | Self::Digest
            | Self::Read
            | Self::Facts { .. }
            | Self::Fetch { .. }
            | Self::FetchWhole { .. }
            | Self::Dump(_) => None,
        }
    }

    /// The account that it runs as, if not root or the one that logged in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Dump(dump) => dump.run_as.as_ref(),
            Self::Run(command) => command.run_as(),
            Self::Probe { .. }
            | Self::Scan { .. }
            | Self::ScanFiles { .. }
            | Self::Digest
            | Self::Read
            | Self::Fetch { .. }
            | Self::FetchWhole { .. }
            | Self::Facts { .. } => None,
        }
    }

    /// Whether the answer is so short that the host never waits until it may send more of it.
    #[must_use]
    pub fn has_short_answer(&self) -> bool {
        matches!(self, Self::Probe { .. } | Self::Facts { .. })
    }

    /// Whether the host can be asked so much: a tool takes only so many arguments.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.request(0).length_bytes() > ARGUMENTS_MAX_BYTES
    }
}

/// Systems bound the arguments of one program: Linux usually at 2 MiB, others at 256 KiB.
const ARGUMENTS_MAX_BYTES: usize = 120 << 10;

#[cfg(test)]
mod tests;
