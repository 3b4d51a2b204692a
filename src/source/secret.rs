//! Secrets that the inventory names: read from the environment or a file of the workstation at the
//! moment they are needed, and shown nowhere.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::fault::{Code, Fault};
use crate::inventory::Secret;

/// No secret is longer; a file that is was named by mistake.
const MAX_BYTES: usize = 64 << 10;

/// A secret's text. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Revealed(String);

impl Revealed {
    /// The text itself: one line, not empty.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Revealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Revealed(…)")
    }
}

/// Why a secret is not to be had. Names the place, never the content.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment has no such variable.
    #[error("environment variable `{name}` is not set")]
    Unset {
        /// Its name.
        name: String,
    },
    /// The file can't be read.
    #[error("can't read the secret in {}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is a folder, a pipe or a device.
    #[error("{} is not a regular file", .file.display())]
    NotAFile {
        /// What was named.
        file: PathBuf,
    },
    /// The file is too long to be a secret.
    #[error("{} is too long for a secret", .file.display())]
    TooLong {
        /// The file.
        file: PathBuf,
    },
    /// There is nothing.
    #[error("the secret in {place} is empty")]
    Empty {
        /// Where.
        place: String,
    },
    /// It has a line break in the middle.
    #[error("the secret in {place} has several lines")]
    SeveralLines {
        /// Where.
        place: String,
    },
    /// It isn't UTF-8, or holds control characters.
    #[error("the secret in {place} is not text")]
    NotText {
        /// Where.
        place: String,
    },
    /// `~` stands for nothing here.
    #[error("can't expand `~`: no home directory")]
    NoHome,
}

impl Fault for SecretError {
    fn code(&self) -> Code {
        match self {
            Self::Unset { .. }
            | Self::Unreadable { .. }
            | Self::NotAFile { .. }
            | Self::TooLong { .. }
            | Self::Empty { .. }
            | Self::SeveralLines { .. }
            | Self::NotText { .. } => Code::SecretUnavailable,
            Self::NoHome => Code::HomeMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unset { name } => {
                format!("Set `{name}` where fleet runs, or name another place in the inventory.")
            }
            Self::Unreadable { .. } => {
                "Check its name and that you have permission to read it; `~` is your home directory.".to_owned()
            }
            Self::NotAFile { .. }
            | Self::TooLong { .. }
            | Self::SeveralLines { .. }
            | Self::NotText { .. } => {
                "The file or variable must hold the secret alone, as one line of text.".to_owned()
            }
            Self::Empty { .. } => "Put the secret there.".to_owned(),
            Self::NoHome => "Set `HOME`, or write the absolute path.".to_owned(),
        })
    }
}

/// Reads a secret. Blocking, for files may be on a network.
///
/// One line end at the end of a file is taken off. A path that begins with `~/` is in the home folder.
///
/// # Errors
///
/// [`SecretError`]; it never holds anything of the content.
pub fn reveal(secret: &Secret) -> Result<Revealed, SecretError> {
    let home = || std::env::var_os("HOME").filter(|home| !home.is_empty());
    reveal_from(secret, |name| std::env::var_os(name), home)
}

fn reveal_from(
    secret: &Secret,
    variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    home: impl Fn() -> Option<std::ffi::OsString>,
) -> Result<Revealed, SecretError> {
    match secret {
        Secret::Text(text) => one_line(text.clone().into_bytes(), || "the inventory".to_owned()),
        Secret::Env(name) => {
            let value = variable(name).ok_or_else(|| SecretError::Unset { name: name.clone() })?;
            one_line(value.into_encoded_bytes(), || {
                format!("environment variable `{name}`")
            })
        }
        Secret::File(path) => {
            let file = match path.strip_prefix("~") {
                Ok(rest) => PathBuf::from(home().ok_or(SecretError::NoHome)?).join(rest),
                Err(_) => path.clone(),
            };
            let mut bytes = read(&file)?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
                if bytes.last() == Some(&b'\r') {
                    bytes.pop();
                }
            }
            one_line(bytes, || file.display().to_string())
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, SecretError> {
    let unreadable = |source| SecretError::Unreadable {
        file: file.to_owned(),
        source,
    };
    // Opening a pipe would wait for whoever writes to it.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(SecretError::NotAFile {
            file: file.to_owned(),
        });
    }
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let mut bytes = Vec::new();
    opened
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        return Err(SecretError::TooLong {
            file: file.to_owned(),
        });
    }
    Ok(bytes)
}

fn one_line(bytes: Vec<u8>, place: impl Fn() -> String) -> Result<Revealed, SecretError> {
    if bytes.is_empty() {
        return Err(SecretError::Empty { place: place() });
    }
    if bytes.contains(&b'\n') || bytes.contains(&b'\r') {
        return Err(SecretError::SeveralLines { place: place() });
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => Ok(Revealed(text)),
        Ok(_) | Err(_) => Err(SecretError::NotText { place: place() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::chain;

    fn from_env(value: Option<&[u8]>) -> Result<Revealed, String> {
        use std::os::unix::ffi::OsStrExt as _;
        let secret = Secret::Env("FLEET_KEY".to_owned());
        let value = value.map(|value| std::ffi::OsStr::from_bytes(value).to_owned());
        let variable = |name: &str| value.clone().filter(|_| name == "FLEET_KEY");
        reveal_from(&secret, variable, || None).map_err(|error| error.to_string())
    }

    /// The text, or the message; the folder is written as `DIR`.
    fn from_file(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        std::fs::write(&file, content).expect("a file");
        reveal(&Secret::File(file))
            .map(|secret| secret.text().to_owned())
            .map_err(|error| {
                chain(&error)
                    .join(": ")
                    .replace(&folder.path().display().to_string(), "DIR")
            })
    }

    #[test]
    fn a_secret_comes_from_its_place_and_never_shows() {
        let revealed = from_env(Some(b"hunter2")).expect("a secret");
        assert_eq!(revealed.text(), "hunter2");
        assert_eq!(format!("{revealed:?}"), "Revealed(…)");
        let text = reveal(&Secret::Text("hunter2".to_owned())).expect("a secret");
        assert_eq!(text, revealed);
    }

    #[test]
    fn one_line_end_is_taken_off_a_file() {
        for content in ["hunter2", "hunter2\n", "hunter2\r\n"] {
            assert_eq!(from_file(content.as_bytes()), Ok("hunter2".to_owned()));
        }
        assert_eq!(from_file(b" a\tb "), Ok(" a\tb ".to_owned()));
    }

    #[test]
    fn a_secret_that_is_none_is_told_by_its_place() {
        let text = |told: Result<Revealed, String>| told.expect_err("no secret");
        assert_eq!(
            text(from_env(None)),
            "environment variable `FLEET_KEY` is not set"
        );
        assert_eq!(
            text(from_env(Some(b""))),
            "the secret in environment variable `FLEET_KEY` is empty"
        );
        assert_eq!(
            text(from_env(Some(b"hunter\n2"))),
            "the secret in environment variable `FLEET_KEY` has several lines"
        );
        assert_eq!(
            text(from_env(Some(b"hunter\xff2"))),
            "the secret in environment variable `FLEET_KEY` is not text"
        );
        for content in ["", "\n", "\r\n"] {
            assert_eq!(
                from_file(content.as_bytes()),
                Err("the secret in DIR/key is empty".to_owned())
            );
        }
        for content in ["hunter2\n\n", "hunter\n2", "hunter\r2"] {
            assert_eq!(
                from_file(content.as_bytes()),
                Err("the secret in DIR/key has several lines".to_owned())
            );
        }
        assert_eq!(
            from_file(b"hunter\x002"),
            Err("the secret in DIR/key is not text".to_owned())
        );
        assert_eq!(
            from_file(&vec![b'x'; MAX_BYTES + 1]),
            Err("DIR/key is too long for a secret".to_owned())
        );
        assert_eq!(
            from_file(&vec![b'x'; MAX_BYTES]).map(|text| text.len()),
            Ok(MAX_BYTES)
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing");
        let error = reveal(&Secret::File(missing.clone())).expect_err("no file");
        assert_eq!(
            chain(&error),
            [
                format!("can't read the secret in {}", missing.display()),
                "No such file or directory (os error 2)".to_owned()
            ]
        );
        let error = reveal(&Secret::File(folder.path().to_owned())).expect_err("a folder");
        assert_eq!(
            error.to_string(),
            format!("{} is not a regular file", folder.path().display())
        );
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).expect("a pipe");
        let error = reveal(&Secret::File(pipe.clone())).expect_err("a pipe");
        assert_eq!(
            error.to_string(),
            format!("{} is not a regular file", pipe.display())
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("The file or variable must hold the secret alone, as one line of text.")
        );
    }

    #[test]
    fn a_tilde_is_the_home_folder() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::write(home.path().join("key"), "hunter2\n").expect("a file");
        let secret = Secret::File("~/key".into());
        let revealed = reveal_from(&secret, |_| None, || Some(home.path().into()));
        assert_eq!(revealed.expect("a secret").text(), "hunter2");
        let error = reveal_from(&secret, |_| None, || None).expect_err("no home");
        assert_eq!(error.to_string(), "can't expand `~`: no home directory");
    }
}
