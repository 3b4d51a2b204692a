//! Error codes: the stable name of what went wrong, for alerts and scripts.
//!
//! A code names the cause as an operator would match it; errors that an operator treats alike share one.
//! A code never changes its meaning, and none is removed while it can still be read from a record. This is
//! the whole list: `docs/src/reference/error-codes.md` is compared with it.

use std::fmt;
use std::io;

macro_rules! codes {
    ($($group:literal { $($variant:ident $text:literal $meaning:literal $fix:literal)+ })+) => {
        /// What went wrong, as `code` has it in JSON and in the store's records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(
                #[doc = $meaning]
                $variant,
            )+)+
        }

        impl Code {
            /// Every code, by group.
            pub const GROUPS: &[(&str, &[Self])] = &[$(($group, &[$(Self::$variant),+])),+];

            /// The word for it in JSON and records: lower-case words, joined by `-`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$variant => $text,)+)+ }
            }

            /// What it means, in one or two sentences.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $($(Self::$variant => $meaning,)+)+ }
            }

            /// What usually helps, in full sentences. The hint of an error is more specific.
            #[must_use]
            pub fn fix(self) -> &'static str {
                match self { $($(Self::$variant => $fix,)+)+ }
            }
        }
    };
}

codes! {
    "Command line and inventory" {
        UsageInvalid "usage-invalid"
            "The command line is wrong, or its options contradict each other."
            "`fleet COMMAND --help` lists the options."
        InventoryMissing "inventory-missing"
            "There is no inventory."
            "Name it with `-i FILE`, or write a first one with `fleet init`."
        InventoryInvalid "inventory-invalid"
            "The inventory breaks a rule, from YAML syntax to a prod host with `access: writable`."
            "Correct the lines that the message names."
        SshConfigInvalid "ssh-config-invalid"
            "OpenSSH's configuration can't be used for this host."
            "`ssh -G HOST` shows the configuration that OpenSSH uses."
        UnknownHost "unknown-host"
            "The inventory, or the store, has no host of that name."
            "`fleet hosts` lists the hosts of the inventory, `fleet ls` those of the store."
        UnknownGroup "unknown-group"
            "No host has that env or tag."
            "`fleet hosts` lists envs and tags."
        UnknownSource "unknown-source"
            "No selected host has a source of that name, or the checkpoint has no such part."
            "`fleet hosts` lists the sources, `fleet show CHECKPOINT` the parts."
        NothingSelected "nothing-selected"
            "The selection leaves no host."
            "Name hosts or groups, or use `--all`."
        NothingToCapture "nothing-to-capture"
            "The selected hosts have no sources."
            "Add `use` or `sources` to the host in the inventory."
        SecretUnavailable "secret-unavailable"
            "A secret that the inventory refers to is not set, not readable, or not one line of text."
            "Set the variable or write the file where fleet runs."
        GuardRefused "guard-refused"
            "The guard does not allow this on this host. No option overrides it."
            "`fleet guard explain HOST` shows every rule."
        ProtectedMachine "protected-machine"
            "The host that should be written is a protected machine under another name, or a clone of one."
            "Correct the host's address, or give the clone host keys and a machine-id of its own."
        EvidenceUnreadable "evidence-unreadable"
            "It can't be checked whether a host that should be written is a protected machine: a record, or a file that tells it, can't be read. Nothing is written then."
            "Mend what the message names; `fleet verify --all` lists damaged records."
        CommandNotVouched "command-not-vouched"
            "A command source of a protected host has no `reads_only: true`."
            "Set it if the command changes nothing on the host; else remove the source."
        TargetExists "target-exists"
            "The file or folder that should be written is already there."
            "Remove it, or name another one."
        TerminalNeeded "terminal-needed"
            "A question has to be answered, and there is no terminal."
            "Run the command in a terminal, or give the answer as an option."
        NotConfirmed "not-confirmed"
            "The answer to a question was not the one that confirms it. Nothing was written."
            "Run the command again."
        Interrupted "interrupted"
            "The operator stopped the run."
            "Run the same command again to go on."
    }
    "Connection" {
        HostUnreachable "host-unreachable"
            "No connection to the host, or to a host on the way to it."
            "Check that the host is up and that its address and port are right."
        ConnectionLost "connection-lost"
            "The connection ended before the work was done."
            "Run the command again: files that arrived completely are kept."
        HostStalled "host-stalled"
            "The host sent nothing for longer than `stall_timeout`."
            "`ssh HOST true` shows whether the host still runs commands."
        HostKeyUnknown "host-key-unknown"
            "No known_hosts file has a key of this host."
            "Compare the fingerprint with the host's own, then run `fleet trust HOST`."
        HostKeyChanged "host-key-changed"
            "The host shows another key than the known one, or than the fingerprint that was given. This may be a man-in-the-middle attack."
            "Find out whether the host was reinstalled before you remove the old key."
        HostKeyRevoked "host-key-revoked"
            "The host's key is marked as revoked."
            "Do not connect. Give the host a new key."
        HostKeyRefused "host-key-refused"
            "The host's key is too short, or its certificate is not valid."
            "Give the host a longer key, or have its certificate signed again."
        HostKeyUnchecked "host-key-unchecked"
            "A file or command that decides about host keys can't be read or run."
            "Correct the file or option that the message names."
        AuthenticationFailed "authentication-failed"
            "The host accepted none of the keys or passwords."
            "Load the key with `ssh-add`, or name it under `identity` in the inventory."
        ForwardingRefused "forwarding-refused"
            "An SSH server does not allow forwarding to where the connection should go."
            "Set `AllowTcpForwarding` and `PermitOpen` in its sshd_config."
        ShellUnusable "shell-unusable"
            "The account can't run commands, or its shell prints text of its own."
            "`ssh HOST true` should succeed and print nothing."
        SudoNeeded "sudo-needed"
            "The account may not read what the source names."
            "Set `sudo: true` on the source, or log in as an account that may read it."
        SudoRefused "sudo-refused"
            "sudo on the host requires a password and there is nobody to ask, did not accept it, or does not allow the account this."
            "Run fleet in a terminal, or allow the account with `NOPASSWD` in sudoers."
        SudoMissing "sudo-missing"
            "A source requires sudo, and the host has none."
            "Install sudo on the host, or log in as root."
    }
    "Sources" {
        RootMissing "root-missing"
            "A directory that the source names does not exist on the host."
            "Correct the path, or set `optional: true` on the source."
        NothingMatches "nothing-matches"
            "A pattern of a `files` source matches no file."
            "Correct the pattern, or set `optional: true` on the source."
        NotADirectory "not-a-directory"
            "The root of a `directory` source is a file or a symbolic link."
            "Name the directory itself, or use a `files` source."
        Unreadable "unreadable"
            "Files or directories can't be read for another reason than permissions, such as a mount whose server does not answer."
            "Look at the host, or leave them out with `exclude`."
        PartShrunk "part-shrunk"
            "The source has less than half of what the last checkpoint had."
            "Look at the host. If that is right, set `may_shrink: true` on the source."
        PartEmpty "part-empty"
            "The source has nothing in it."
            "Look at the host. If that is right, set `may_shrink: true` on the source."
        NoLinesMatch "no-lines-match"
            "No line of the files matches `lines`."
            "Correct `lines`, or set `may_shrink: true` on the source."
        PartVanished "part-vanished"
            "Everything was deleted between the scan and the transfer."
            "Run the command again."
        ScanFailed "scan-failed"
            "The list of files of a source can't be used."
            "`fleet doctor` shows which tools the host has, and what each source would read."
        TarFailed "tar-failed"
            "tar failed on the host, or did not send everything it was asked for."
            "Run the command again. `fleet doctor` shows which tools the host has."
        ArchiveRefused "archive-refused"
            "The tar stream is not what tar writes for the files it was asked for. Nothing of it is kept."
            "Look at `tar --version` and `TAR_OPTIONS` on the host."
        UnsafeTree "unsafe-tree"
            "Entries can't be put back without leaving their place, such as a file beneath a symbolic link."
            "The tree may have changed while it was read: run the command again."
        SourcesContradict "sources-contradict"
            "Two sources of one host hold the same path as different things."
            "The tree may have changed while it was read: run the command again."
        LimitExceeded "limit-exceeded"
            "There is more of something than fleet takes, such as `max_bytes` of a source."
            "Leave out what is not needed, or raise the limit that the message names."
        OutputCut "output-cut"
            "The output of the host ended too early. Nothing incomplete is kept."
            "Run the command again."
        ToolMissing "tool-missing"
            "The host lacks a program that the source requires, or the program does not work."
            "Install it, or set `optional: true` on the source."
        ToolTooOld "tool-too-old"
            "A program on the host is older than it must be."
            "Install the version that the message names."
        AccountMissing "account-missing"
            "The host has no account of the name in `run_as`."
            "Correct `run_as`, or set `optional: true` on the source."
        ServiceNotStopped "service-not-stopped"
            "A service went on after it was stopped, or was started again by something on the host."
            "`systemctl status UNIT` or `ps` on the host shows what runs; stop what starts it first."
        ServiceNotStarted "service-not-started"
            "A service did not start, or ended as soon as it was started."
            "`journalctl -u UNIT` on the host shows why."
        ProbeFailed "probe-failed"
            "A probe of the inventory did not hold within its time."
            "Check the service on the host, or raise `within` on the probe."
        CommandFailed "command-failed"
            "A command of a source exited with another status than 0."
            "Run it by hand on the host, as the account that the inventory names."
        CommandKilled "command-killed"
            "A signal ended a command on the host."
            "Look at the host's memory and at its log."
        TimedOut "timed-out"
            "A command, dump or web server took longer than its `timeout`."
            "Look at the service, or set a longer `timeout` on the source."
        ServiceUnreachable "service-unreachable"
            "The host can't connect to the service that a source names."
            "Check that the service is up, and its address in the inventory."
        DatabaseUnreachable "database-unreachable"
            "There is no PostgreSQL server, or the host can't connect to it."
            "Start the server, or correct `host` and `port` of the source."
        DatabaseMissing "database-missing"
            "The PostgreSQL server has no database of that name."
            "Correct the name, or set `optional: true` on the source."
        DatabaseLoginRefused "database-login-refused"
            "The PostgreSQL server did not accept the role or its password."
            "Set `run_as`, or `user` and `password`, on the source."
        DatabaseDenied "database-denied"
            "The PostgreSQL role may not read everything that is dumped."
            "Grant it SELECT, or membership in `pg_read_all_data`."
        DatabaseLocked "database-locked"
            "A table stayed locked for too long."
            "Run the command again when the other transaction has ended."
        DatabaseLoadFailed "database-load-failed"
            "A database could not be restored. The live one is as it was."
            "The message names the statement. The target may lack what the dump needs."
        DatabaseBusy "database-busy"
            "Another restore of the database is under way, or its sessions could not be ended."
            "`fleet restore --resume HOST` or `--rollback HOST` ends a restore that was cut off."
        DumpFailed "dump-failed"
            "A PostgreSQL dump failed or is incomplete. Nothing of it is kept."
            "Run the dump by hand on the host, as the account that the inventory names."
        HttpStatus "http-status"
            "A web server answered with another status than the expected one."
            "Look at the service and its log, or set `status` on the source."
        HttpInvalid "http-invalid"
            "A web server's answer is not HTTP/1, or its head or encoding is not valid."
            "Check the address: with TLS it begins with `https://`."
        TlsFailed "tls-failed"
            "There is no TLS connection to a web server, or its certificate is not trusted."
            "Check name and certificate; `SSL_CERT_FILE` names certificate authorities."
        NotJson "not-json"
            "An answer should be normalised as JSON, and is not valid JSON."
            "Look at what the service answers, or remove `json: normalise`."
    }
    "Store and checkpoints" {
        StoreMissing "store-missing"
            "There is no store in that folder."
            "The first `fleet checkpoint` creates it; name another one with `--store DIR`."
        NotAStore "not-a-store"
            "The folder holds other files and is not a store."
            "Name a new or empty folder with `--store DIR`."
        FleetTooOld "fleet-too-old"
            "The store, or a checkpoint in it, was written by a newer fleet."
            "Upgrade fleet."
        StoreDamaged "store-damaged"
            "A file of the store is missing, or is not what was written."
            "`fleet verify --all` lists the damage. Restore the file from a copy of the store, or take a new checkpoint with `--full`."
        StoreLocked "store-locked"
            "Another run holds the lock of this host."
            "Wait with `--wait 10m`, or stop the other run."
        UnknownCheckpoint "unknown-checkpoint"
            "The host has no such checkpoint."
            "`fleet ls HOST` lists its checkpoints."
        NoCompleteCheckpoint "no-complete-checkpoint"
            "`latest` and `~N` count complete checkpoints only, and there are not so many."
            "Name the checkpoint by its stamp."
        AmbiguousCheckpoint "ambiguous-checkpoint"
            "The beginning of a stamp fits several checkpoints."
            "Write more of the stamp."
        CheckpointRemoved "checkpoint-removed"
            "The checkpoint was removed while it was read."
            "`fleet ls HOST` lists what is there."
        UnknownPath "unknown-path"
            "The checkpoint, or the backup, has no such path."
            "Give the absolute path on the host. `fleet show CHECKPOINT` lists the roots."
        NotAFile "not-a-file"
            "The path has no content: it is a directory, a link or a device."
            "`fleet export` takes out everything."
        LayoutCollision "layout-collision"
            "The layout of an export has one place for two entries."
            "Export without `--layout`, or only some sources with `--only`."
    }
    "Restore" {
        RestoreRefused "restore-refused"
            "The plan of a restore has something in it that cannot be done."
            "`fleet restore CHECKPOINT --dry-run` shows every reason."
        RestoreNotConfirmed "restore-not-confirmed"
            "Nobody has confirmed the restore by the name of the host."
            "Type the name when asked, or give `--confirm HOST`."
        RestorePlanChanged "restore-plan-changed"
            "The plan is not the one whose digest was given with `--plan`."
            "Look at the new plan with `--dry-run`."
        RestoreNothingMeant "restore-nothing-meant"
            "The checkpoint has nothing of what was named."
            "`fleet show CHECKPOINT` lists its parts."
        RestoreStepFailed "restore-step-failed"
            "A step of a restore failed on the host. What had changed was put back."
            "The message tells what the host lacks: room, rights, or a tool."
        RestoreUnproven "restore-unproven"
            "After a step the host does not have what was sent to it."
            "Run the command again; if it happens again, check the host's disk."
        RestoreUnfinished "restore-unfinished"
            "Another restore has begun on the host and has not ended."
            "`fleet restore --resume HOST` finishes it, `--rollback HOST` undoes it."
        RestoreTargetChanged "restore-target-changed"
            "Somebody changed the host between the plan and its execution."
            "Run the command again for a new plan."
    }
    "Import" {
        BackupMissing "backup-missing"
            "The backup that was named does not exist."
            "Correct the path."
        BackupUnsupported "backup-unsupported"
            "The backup has a form that can't be imported."
            "Unpack it and import the folder."
        BackupDamaged "backup-damaged"
            "The backup can't be unpacked, is cut, or does not match its own list of digests."
            "Look for another copy of it."
        BackupEmpty "backup-empty"
            "The backup is empty, or the options leave nothing of it."
            "Look whether it is the right one; give another `--strip`."
        BackupChanged "backup-changed"
            "The backup was changed while it was read."
            "Run the command again when nothing writes there."
        TimeInFuture "time-in-future"
            "The time at which the backup was taken is still to come."
            "Give the right time with `--taken`."
    }
    "Workstation" {
        HomeMissing "home-missing"
            "There is no home folder to keep files in."
            "Set `HOME`, or name the place with an option."
        AuditUnwritable "audit-unwritable"
            "The audit file can't be written. What can't be recorded is not done: nothing was written to any host."
            "Make the file writable for this account, make room on its disk, or name another folder with `FLEET_STATE`."
        DiskFull "disk-full"
            "A disk of the workstation is full, or a quota is used up. Nothing incomplete is kept."
            "Make room, or name a store on a larger disk with `--store DIR`."
        LocalPermissionDenied "local-permission-denied"
            "This account may not read or write a file on the workstation."
            "Stores are private to the account that made them: run fleet as that account."
        LocalIoFailed "local-io-failed"
            "A file on the workstation can't be read or written for another reason."
            "The cause in the message is the operating system's."
        TooManyOpenFiles "too-many-open-files"
            "The limit of open files is used up."
            "Raise it (`ulimit -n 4096`), or work on fewer hosts at once."
        OutputFailed "output-failed"
            "Standard output can't be written, and what arrived of it is incomplete."
            "Look at what reads it, or at the disk that it goes to."
        Internal "internal"
            "Two parts of fleet contradict each other. This is a bug."
            "Please report it, with the whole message."
        Unrecorded "unrecorded"
            "A failure in the record of a checkpoint that a fleet without error codes wrote, or a newer one with a code that this one does not know."
            "The message says what happened."
    }
}

impl Code {
    /// Every code, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::GROUPS.iter().flat_map(|(_, codes)| *codes).copied()
    }

    /// The code of that word; none if this fleet knows none.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::all().find(|code| code.as_str() == word)
    }

    /// The code for an error of the operating system on a file of the workstation.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::LocalPermissionDenied
            }
            _ => Self::LocalIoFailed,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_kebab_case_and_there_once() {
        let mut seen = BTreeSet::new();
        for code in Code::all() {
            let word = code.as_str();
            let is_word =
                |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase());
            assert!(word.split('-').all(is_word), "{word}");
            assert!(seen.insert(word), "{word} is there twice");
            assert_eq!(Code::of_word(word), Some(code));
        }
        assert_eq!(Code::of_word("no-such-code"), None);
    }

    /// `HostKeyChanged` is `host-key-changed`, so that a search for either finds the other.
    #[test]
    fn the_word_is_the_name_of_the_variant() {
        for code in Code::all() {
            let mut word = String::new();
            for c in format!("{code:?}").chars() {
                if c.is_ascii_uppercase() && !word.is_empty() {
                    word.push('-');
                }
                word.push(c.to_ascii_lowercase());
            }
            assert_eq!(word, code.as_str());
        }
    }

    #[test]
    fn meaning_and_fix_are_sentences() {
        for code in Code::all() {
            for text in [code.meaning(), code.fix()] {
                assert!(text.ends_with('.') && !text.contains('|'), "{code}: {text}");
            }
        }
    }

    #[test]
    fn errors_of_the_operating_system_have_three_codes() {
        for (kind, code) in [
            (io::ErrorKind::StorageFull, Code::DiskFull),
            (io::ErrorKind::QuotaExceeded, Code::DiskFull),
            (io::ErrorKind::PermissionDenied, Code::LocalPermissionDenied),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                Code::LocalPermissionDenied,
            ),
            (io::ErrorKind::NotFound, Code::LocalIoFailed),
        ] {
            assert_eq!(Code::of_io(&kind.into()), code, "{kind:?}");
        }
    }
}
