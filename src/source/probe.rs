//! Parses the answer to `probe`: the identity of a host, and its tools.

use std::collections::BTreeSet;

use super::mounts::Mounts;
use crate::guard::TarFlavour;
use crate::manifest::FileTime;

/// The answer to [`crate::guard::ReadCommand::Probe`]. What the host did not say is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// System and release, as `uname -sr` says.
    pub uname: String,
    /// Release, as `uname -r` says.
    pub kernel: String,
    /// What it calls itself.
    pub hostname: String,
    /// The account that is logged in.
    pub account: String,
    /// Whether that is the superuser.
    pub is_root: bool,
    /// Text of `/etc/machine-id`.
    pub machine_id: String,
    /// `PRETTY_NAME` of `/etc/os-release`.
    pub os: String,
    /// Its clock; none where `date` knows no nanoseconds.
    pub clock: Option<FileTime>,
    /// First line of `find --version`.
    pub find: String,
    /// First line of `tar --version`.
    pub tar: String,
    /// The tools that it has, of those that fleet may use.
    pub tools: BTreeSet<String>,
    /// Free space on its root file system, in KiB.
    pub free_kib: Option<u64>,
    /// Its mount table.
    pub mounts: Mounts,
    /// What sudo allows without a password; none if nobody asked.
    pub sudo: Option<SudoRights>,
}

/// What sudo allows the account that is logged in, without a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SudoRights {
    /// It is root already.
    Root,
    /// Everything.
    Shell,
    /// `find` and `tar`, but no shell.
    Tools,
    /// Nothing.
    Nothing,
    /// The host has no sudo.
    Missing,
}

impl Probe {
    /// Reads `key=value` lines; lines of other shapes and unknown keys are passed over.
    #[must_use]
    pub fn parse(answer: &[u8]) -> Self {
        let mut probe = Self::default();
        for line in String::from_utf8_lossy(answer).lines() {
            let Some((key, value)) = line.split_once('=') else {
                continue;
            };
            let value = value.trim().to_owned();
            match key {
                "uname" => probe.uname = value,
                "kernel" => probe.kernel = value,
                "hostname" => probe.hostname = value,
                "account" => probe.account = value,
                "uid" => probe.is_root = value == "0",
                "machine_id" => probe.machine_id = value,
                "os" => probe.os = unquoted(&value),
                "clock" => probe.clock = FileTime::parse(&value),
                "find" => probe.find = value,
                "tar" => probe.tar = value,
                "tool" => {
                    probe.tools.insert(value);
                }
                "free_kib" => probe.free_kib = value.parse().ok(),
                "mount" => probe.mounts.push(&value),
                "sudo" => {
                    probe.sudo = Some(match value.as_str() {
                        "root" => SudoRights::Root,
                        "yes" => SudoRights::Shell,
                        "tools" => SudoRights::Tools,
                        "missing" => SudoRights::Missing,
                        _ => SudoRights::Nothing,
                    });
                }
                _ => tracing::debug!(key, "a host said something that nobody asked for"),
            }
        }
        probe
    }

    /// Whether `find` can print what incremental pulls need.
    #[must_use]
    pub fn has_gnu_find(&self) -> bool {
        self.find.contains("GNU findutils")
    }

    /// Whether it has a tar at all.
    #[must_use]
    pub fn has_tar(&self) -> bool {
        self.tools.contains("tar")
    }

    /// Which of the tars that take a list of names it has; none for others, as busybox's.
    #[must_use]
    pub fn tar_flavour(&self) -> Option<TarFlavour> {
        if self.tar.contains("GNU tar") {
            Some(TarFlavour::Gnu)
        } else if self.tar.contains("bsdtar") {
            Some(TarFlavour::Bsd)
        } else {
            None
        }
    }

    /// The name of its operating system, as well as it is known.
    #[must_use]
    pub fn system(&self) -> &str {
        if self.os.is_empty() {
            &self.uname
        } else {
            &self.os
        }
    }
}

/// A value of `/etc/os-release` without its quotes. The file is in a shell's syntax, but nothing in it is
/// evaluated; a backslash only takes the meaning from the character behind it.
///
/// Source: os-release(5).
fn unquoted(text: &str) -> String {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let inner = quote.and_then(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    let mut value = String::new();
    let mut chars = inner.unwrap_or(text).chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote != Some('\'') => value.extend(chars.next()),
            c => value.push(c),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_line_by_line() {
        let probe = Probe::parse(
            b"uname=Linux 6.1.0\nkernel=6.1.0\nhostname=dev-vm\naccount=azureuser\nuid=1000\n\
              machine_id=0123\nos=\"Debian GNU/Linux 12 (bookworm)\"\nclock=1700000000.5\n\
              find=find (GNU findutils) 4.9.0\ntar=tar (GNU tar) 1.34\ntool=find\ntool=tar\n\
              free_kib=1024\nsudo=yes\nnoise\nmore=x\n",
        );
        assert_eq!(
            probe,
            Probe {
                uname: "Linux 6.1.0".to_owned(),
                kernel: "6.1.0".to_owned(),
                hostname: "dev-vm".to_owned(),
                account: "azureuser".to_owned(),
                is_root: false,
                machine_id: "0123".to_owned(),
                os: "Debian GNU/Linux 12 (bookworm)".to_owned(),
                clock: FileTime::parse("1700000000.5"),
                find: "find (GNU findutils) 4.9.0".to_owned(),
                tar: "tar (GNU tar) 1.34".to_owned(),
                tools: ["find", "tar"].map(str::to_owned).into(),
                free_kib: Some(1024),
                mounts: Mounts::default(),
                sudo: Some(SudoRights::Shell),
            }
        );
        assert_eq!(probe.tar_flavour(), Some(TarFlavour::Gnu));
        assert!(probe.has_gnu_find());
    }

    #[test]
    fn other_tools_are_told_apart() {
        let flavour =
            |tar: &str| Probe::parse(format!("tool=tar\ntar={tar}\n").as_bytes()).tar_flavour();
        assert_eq!(
            flavour("bsdtar 3.7.2 - libarchive 3.7.2"),
            Some(TarFlavour::Bsd)
        );
        assert_eq!(flavour("tar (busybox) 1.35.0"), None);
        assert!(!Probe::default().has_tar());
        assert_eq!(Probe::parse(b"clock=1700000000.N\n").clock, None);
        assert_eq!(
            Probe::parse(b"uname=FreeBSD 14.0\n").system(),
            "FreeBSD 14.0"
        );
    }

    #[test]
    fn a_name_of_an_os_is_text_whatever_it_looks_like() {
        for (text, name) in [
            ("\"Alpine Linux v3.20\"", "Alpine Linux v3.20"),
            ("Arch", "Arch"),
            ("'single $(id)'", "single $(id)"),
            ("\"$(reboot) \\`id\\` \\\"x\\\"\"", "$(reboot) `id` \"x\""),
            ("\"open", "\"open"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(unquoted(text), name, "{text}");
        }
    }
}
