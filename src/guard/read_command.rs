//! The commands that fleet runs on a host to read from it: the whole list, and each one's request. The
//! scripts that serve the requests are in `src/guard/scripts`.
//!
//! Nothing else is ever executed on a read-only host. No command writes, creates a temporary file or
//! starts anything that outlives it. What a user wrote in the inventory travels as encoded values of a
//! request, never as shell text and never as an option of a tool.
//!
//! A host's web server is asked through the SSH connection, without a command: see [`super::http_get`].

mod databases;
mod postgres;
mod request;
mod services;

pub use databases::DatabaseFacts;
pub use postgres::{DumpOf, PostgresDump};
pub use services::{ProcessPattern, ServiceQuery};

use super::rendered::{Priority, Rendered, Sudo};
use super::vouched_command::VouchedCommand;
use crate::inventory::glob::Walk;
use crate::name::{AccountName, HostName, PackageName, RemotePath};

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
    /// see [`Self::SCAN_FORMAT`]. Else it is `/`, and just the paths follow, each ended by NUL; or, as far as
    /// that is asked for, `stat`, and a line for each entry follows, see [`FactsFrom::FindOrStat`].
    Scan {
        /// The directories.
        roots: Vec<RemotePath>,
        /// Directories that need not be walked; a short cut, the matcher here decides.
        prune: Vec<Prune>,
        /// Other file systems are left out.
        one_file_system: bool,
        /// What tells more than paths.
        facts: FactsFrom,
    },
    /// Lists what is where patterns of names may match, in the records of [`Self::Scan`]. A `find` that
    /// knows no `-printf` tells of regular files and symbolic links only.
    ScanFiles {
        /// Where, and how far.
        walks: Vec<Walk>,
        /// What tells more than paths.
        facts: FactsFrom,
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
    /// Which numbers do these users and groups have? Answers lines `user NUMBER NAME`,
    /// `group NUMBER NAME` and `home PATH`, of the account that logged in.
    Accounts {
        /// Names of users.
        users: Vec<String>,
        /// Names of groups.
        groups: Vec<String>,
    },
    /// Which of these packages are installed, and which tools would install packages and make accounts? Answers
    /// lines `installed NAME`, `manager TOOL` and `accounts TOOL`.
    Packages {
        /// Names of packages.
        names: Vec<PackageName>,
    },
    /// How much is free on the file systems of these directories, and which of the paths listed on its
    /// standard input (absolute, without line ends, each ended by NUL) resist every change? Answers lines, see
    /// `src/guard/scripts/ground.sh`.
    Ground {
        /// The directories.
        roots: Vec<RemotePath>,
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
    /// Does a PostgreSQL server answer a query on a database? Answers `1`.
    Answers {
        /// The database.
        database: String,
        /// The account that asks; none: the one that logged in.
        run_as: Option<AccountName>,
    },
    /// Lists the restores that are under way or unfinished on the host, and how their roots are. Answers
    /// lines, see `src/guard/scripts/transaction/restores.sh`.
    Restores {
        /// Directories that may hold the staging folder of a restore that has no record here.
        roots: Vec<RemotePath>,
    },
    /// Which way of a restore do the tools allow? Answers lines, see
    /// `src/guard/scripts/transaction/offers.sh`.
    RestoreTools,
    /// What state are these units in, and which processes run these commands?
    Services(ServiceQuery),
    /// Tells what a PostgreSQL server has, and what is in some of its databases.
    Databases(DatabaseFacts),
}

/// What tells a scan more of an entry than its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsFrom {
    /// `find`, if it knows `-printf`.
    Find,
    /// Else `stat`: mode in hexadecimal digits with the type, uid, gid, size, mtime, ctime, inode, device,
    /// links, blocks and the path, which ends with `//` and a line end. Times are in whole seconds, and it is
    /// not told where a symbolic link leads.
    FindOrStat,
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
        Rendered::of(self.request(data_bytes), nonce, sudo, self.account(), pace)
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
            | Self::Accounts { .. }
            | Self::Packages { .. }
            | Self::Ground { .. }
            | Self::Fetch { .. }
            | Self::FetchWhole { .. }
            | Self::Dump(_)
            | Self::Restores { .. }
            | Self::RestoreTools
            | Self::Answers { .. }
            | Self::Services(_)
            | Self::Databases(_) => None,
        }
    }

    /// The account that it runs as, if not root or the one that logged in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Dump(dump) => dump.run_as.as_ref(),
            Self::Databases(facts) => facts.server.run_as.as_ref(),
            Self::Run(command) => command.run_as(),
            Self::Services(query) => query.account.as_ref(),
            Self::Answers { run_as, .. } => run_as.as_ref(),
            Self::Probe { .. }
            | Self::Scan { .. }
            | Self::ScanFiles { .. }
            | Self::Digest
            | Self::Read
            | Self::Fetch { .. }
            | Self::FetchWhole { .. }
            | Self::Accounts { .. }
            | Self::Packages { .. }
            | Self::Ground { .. }
            | Self::Facts { .. }
            | Self::RestoreTools
            | Self::Restores { .. } => None,
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
