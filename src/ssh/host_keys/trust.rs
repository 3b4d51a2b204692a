//! Adds host keys to `known_hosts`, in the file and the form in which ssh would.
//!
//! What is already in the file stays as it is, byte for byte. Whether to add is not decided here.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use russh::keys::PublicKey;

use crate::fault::{Code, ExitClass, Fault};
use crate::ssh::config::resolve::Endpoint;
use crate::ssh::error::Cause;
use crate::ssh::host_keys::known_hosts_line::hashed;

/// Why a key can't be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// ssh_config names no file of the user's.
    #[error("there is no file to add keys of {host} to: UserKnownHostsFile is `none`")]
    NoFile {
        /// The host.
        host: String,
    },
    /// What is written there is lost, or is no known_hosts file.
    #[error(
        "there is no file to add keys of {host} to: UserKnownHostsFile is {}, which is not a regular file",
        .file.display()
    )]
    NotAFile {
        /// The host.
        host: String,
        /// What is named.
        file: PathBuf,
    },
    /// A line with this name would speak of other hosts, or would be no line.
    #[error("`{name}` can't be written to known_hosts: {why}")]
    Name {
        /// The name under which the host is looked up.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file can't be written.
    #[error("can't use {}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: Cause,
    },
}

impl Fault for Error {
    fn code(&self) -> Code {
        match self {
            Self::NoFile { .. } | Self::NotAFile { .. } | Self::Name { .. } => {
                Code::SshConfigInvalid
            }
            Self::File { .. } => Code::LocalIoFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoFile { host } | Self::NotAFile { host, .. } => Some(format!(
                "Nothing was written. Name a file with `UserKnownHostsFile` in ssh_config; `ssh -G {host}` shows which one is named now."
            )),
            Self::Name { .. } => Some(
                "Nothing was written. Correct `HostKeyAlias` in ssh_config, or the host's address."
                    .to_owned(),
            ),
            Self::File { .. } => None,
        }
    }

    fn exit_class(&self) -> ExitClass {
        match self {
            Self::NoFile { .. } | Self::NotAFile { .. } | Self::Name { .. } => ExitClass::Usage,
            Self::File { .. } => ExitClass::Failed,
        }
    }
}

/// Whether names are written so that the file doesn't tell where the user has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// As they are.
    Plain,
    /// As a salted hash, like `HashKnownHosts yes`.
    Hashed,
}

/// Appends a line for each name and key to `file`, in one write; makes the file (0600) and its folder
/// (0700) where they are missing.
///
/// # Errors
///
/// [`Error::Name`] or [`Error::File`]; then nothing was written.
pub fn append(
    file: &Path,
    names: &[String],
    keys: &[PublicKey],
    style: Names,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::File {
        file: file.to_owned(),
        source: error.into(),
    };
    for name in names {
        if let Some(why) = name_flaw(name) {
            return Err(Error::Name {
                name: crate::name::escape(name.as_bytes()),
                why,
            });
        }
    }
    let mut lines = String::new();
    for key in keys {
        let mut key = key.clone();
        key.set_comment("");
        let text = key.to_openssh().map_err(|error| Error::File {
            file: file.to_owned(),
            source: Cause(error.to_string()),
        })?;
        let text = text.trim();
        match style {
            Names::Plain => {
                lines += &format!("{} {text}\n", names.join(",").to_ascii_lowercase());
            }
            Names::Hashed => {
                for name in names {
                    lines += &format!("{} {text}\n", hash(name).map_err(failed)?);
                }
            }
        }
    }
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    let mut out = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map_err(failed)?;
    if lacks_line_end(&mut out).map_err(failed)? {
        lines.insert(0, '\n');
    }
    out.write_all(lines.as_bytes()).map_err(failed)?;
    out.sync_all().map_err(failed)
}

/// The file where keys of an endpoint are added: the first that `UserKnownHostsFile` names.
///
/// # Errors
///
/// [`Error::NoFile`] or [`Error::NotAFile`].
pub fn target(endpoint: &Endpoint) -> Result<PathBuf, Error> {
    let host = || endpoint.name.clone();
    let Some(file) = endpoint.user_known_hosts.first() else {
        return Err(Error::NoFile { host: host() });
    };
    match fs::metadata(file) {
        Ok(found) if !found.is_file() => Err(Error::NotAFile {
            host: host(),
            file: file.clone(),
        }),
        // One that is missing is made; any other failure shows when it is written.
        Ok(_) | Err(_) => Ok(file.clone()),
    }
}

/// Why a line with this name would not mean this host alone.
fn name_flaw(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        Some("it has blanks")
    } else if name.contains(['*', '?', '!', ',']) {
        Some("it is a pattern")
    } else if name.starts_with(['|', '@', '#']) {
        Some("it begins like something else than a name")
    } else {
        None
    }
}

fn lacks_line_end(file: &mut fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

fn hash(name: &str) -> std::io::Result<String> {
    let mut salt = [0; 20];
    getrandom::fill(&mut salt).map_err(|error| std::io::Error::other(error.to_string()))?;
    let hash = hashed(&salt, &name.to_ascii_lowercase())
        .ok_or_else(|| std::io::Error::other("the name can't be hashed"))?;
    Ok(format!(
        "|1|{}|{}",
        BASE64.encode(&salt),
        BASE64.encode(&hash)
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ssh::host_keys::known_hosts::{KnownHosts, Verdict};

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key() -> PublicKey {
        PublicKey::from_openssh(&format!("{KEY} a comment")).expect("a key")
    }

    #[test]
    fn a_missing_file_is_made_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("new/.ssh/known_hosts");
        let names = ["[Web]:2222".to_owned(), "10.0.0.1".to_owned()];
        append(&file, &names, &[key()], Names::Plain).expect("added");
        assert_eq!(
            fs::read_to_string(&file).expect("the file"),
            format!("[web]:2222,10.0.0.1 {KEY}\n")
        );
        let mode = |path: &Path| fs::metadata(path).expect("it").permissions().mode() & 0o777;
        assert_eq!(
            (mode(&file), mode(file.parent().expect("a folder"))),
            (0o600, 0o700)
        );
    }

    #[test]
    fn what_is_there_stays_and_a_missing_line_end_is_mended() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known_hosts");
        fs::write(&file, "# odd \u{e9}").expect("a file");
        append(&file, &["web".to_owned()], &[key()], Names::Plain).expect("added");
        append(&file, &["db".to_owned()], &[key()], Names::Plain).expect("added");
        assert_eq!(
            fs::read_to_string(&file).expect("the file"),
            format!("# odd \u{e9}\nweb {KEY}\ndb {KEY}\n")
        );
    }

    #[test]
    fn a_hashed_name_is_found_again_and_not_readable() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known_hosts");
        append(&file, &["[web]:2222".to_owned()], &[key()], Names::Hashed).expect("added");
        let text = fs::read_to_string(&file).expect("the file");
        assert!(text.starts_with("|1|") && !text.contains("web"), "{text}");
        let known = KnownHosts::read(std::slice::from_ref(&file)).expect("readable");
        assert!(matches!(
            known.of("[web]:2222").judge(&key()),
            Verdict::Trusted(_)
        ));
        assert_eq!(known.of("web").judge(&key()), Verdict::Unknown);
    }

    #[test]
    fn a_name_that_would_mean_other_hosts_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("known_hosts");
        for (name, why) in [
            ("*", "it is a pattern"),
            ("web,db", "it is a pattern"),
            ("!web", "it is a pattern"),
            ("a b", "it has blanks"),
            ("a\nb", "it has blanks"),
            ("@revoked", "it begins like something else than a name"),
            ("", "it is empty"),
        ] {
            for style in [Names::Plain, Names::Hashed] {
                let error = append(&file, &[name.to_owned()], &[key()], style).expect_err(name);
                let name = name.escape_debug().to_string();
                assert_eq!(error, Error::Name { name, why });
            }
        }
        assert!(!file.exists());
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let error = append(folder.path(), &["web".to_owned()], &[key()], Names::Plain)
            .expect_err("a folder is no file");
        assert_eq!(
            error.to_string(),
            format!("can't use {}", folder.path().display())
        );
    }
}
