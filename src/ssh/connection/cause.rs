//! Reasons of a failed connection in plain words: texts of the operating system, of russh and of hosts.

use std::time::Duration;

use crate::ssh::connection::words::{Words, one_line};

/// Why, in words of a layer beneath: what a library or the operating system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(pub String);

impl From<std::io::Error> for Cause {
    fn from(error: std::io::Error) -> Self {
        Self(plain(&error))
    }
}

/// An error of the operating system without its number and capital letter.
pub(in crate::ssh) fn plain(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::BrokenPipe {
        return "the other side closed the connection".to_owned();
    }
    let text = error.to_string();
    let text = match (error.raw_os_error(), text.rsplit_once(" (os error ")) {
        (Some(_), Some((text, _))) => text,
        _ => &text,
    };
    uncapitalised(text)
}

fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// A list of algorithms without the markers for protocol extensions, which are no algorithms.
fn methods(names: &[String]) -> Vec<&str> {
    names
        .iter()
        .map(String::as_str)
        .filter(|name| !name.starts_with("ext-info-") && !name.starts_with("kex-strict-"))
        .collect()
}

/// How many attempts to connect were made, and how long all of them took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// None: it is not known.
    pub count: u32,
    /// From the beginning of the first to the end of the last.
    pub took: Duration,
}

impl Attempts {
    /// How long they took, as it is shown; none if that is less than a second or not known.
    pub(in crate::ssh) fn time(&self) -> Option<String> {
        let seconds = self.took.as_secs_f64().round();
        (self.count > 0 && seconds >= 1.0).then(|| format!("{seconds} s"))
    }
}

impl std::fmt::Display for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.count == 0 {
            return Ok(());
        }
        let plural = if self.count == 1 { "" } else { "s" };
        write!(f, " ({} attempt{plural}", self.count)?;
        if let Some(time) = self.time() {
            write!(f, ", {time}")?;
        }
        f.write_str(")")
    }
}

/// Why there is no connection, and what the other side said before that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoConnection {
    /// The reason as it is seen from here.
    pub why: String,
    /// Words of the host, or of a `ProxyCommand`.
    #[source]
    pub words: Option<Box<Words>>,
}

impl From<Cause> for Box<NoConnection> {
    fn from(Cause(why): Cause) -> Self {
        Self::new(NoConnection { why, words: None })
    }
}

impl From<&russh::Error> for Cause {
    fn from(error: &russh::Error) -> Self {
        Self(match error {
            russh::Error::HUP | russh::Error::Disconnect => {
                "the other side closed the connection".to_owned()
            }
            russh::Error::KeepaliveTimeout => {
                "the other side no longer answers keepalives".to_owned()
            }
            russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the other side closed the connection".to_owned()
            }
            russh::Error::IO(error) => plain(error),
            russh::Error::Version => "the other side doesn't speak SSH 2".to_owned(),
            russh::Error::NoCommonAlgo { kind, ours, theirs } => format!(
                "no common {}: fleet offers {}; the host takes {}",
                match kind {
                    russh::AlgorithmKind::Kex => "key exchange method",
                    russh::AlgorithmKind::Key => "kind of host key",
                    russh::AlgorithmKind::Cipher => "cipher",
                    russh::AlgorithmKind::Mac => "MAC",
                    russh::AlgorithmKind::Compression => "compression",
                },
                ours.join(", "),
                one_line(&methods(theirs).join(", "))
            ),
            russh::Error::SshEncoding(_) => {
                "the host sent a message that can't be read; a banner that is not UTF-8 is one"
                    .to_owned()
            }
            russh::Error::PacketAuth | russh::Error::DecryptionError => {
                "a packet was damaged on the way".to_owned()
            }
            other => uncapitalised(&other.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_timed() {
        let attempts = |count, millis| {
            let took = Duration::from_millis(millis);
            Attempts { count, took }.to_string()
        };
        assert_eq!(attempts(0, 9000), "");
        assert_eq!(attempts(1, 300), " (1 attempt)");
        assert_eq!(attempts(3, 10_400), " (3 attempts, 10 s)");
    }

    #[test]
    fn errors_of_the_system_have_no_number() {
        let text = |code| plain(&std::io::Error::from_raw_os_error(code));
        assert_eq!(text(111), "connection refused");
        assert_eq!(text(113), "no route to host");
        assert_eq!(text(32), "the other side closed the connection");
        assert_eq!(
            plain(&std::io::Error::other("Own (os error 1)")),
            "own (os error 1)"
        );
    }

    #[test]
    fn causes_are_told_in_words_of_ours() {
        let cases = [
            (russh::Error::HUP, "the other side closed the connection"),
            (russh::Error::Version, "the other side doesn't speak SSH 2"),
            (
                russh::Error::NoCommonAlgo {
                    kind: russh::AlgorithmKind::Kex,
                    ours: vec!["new".to_owned()],
                    theirs: ["old-one", "older\u{1b}", "ext-info-s"]
                        .map(str::to_owned)
                        .into(),
                },
                "no common key exchange method: fleet offers new; the host takes old-one, older\\u{1b}",
            ),
            (russh::Error::WrongServerSig, "wrong server signature"),
        ];
        for (error, text) in cases {
            assert_eq!(Cause::from(&error).to_string(), text);
        }
    }
}
