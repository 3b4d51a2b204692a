//! Parses the messages of `tar` and `find` on standard error, in the C locale: which entries vanished,
//! could not be read, or changed while they were read.

use super::octal::octal;
use crate::manifest::Resolved;
use crate::name::RemotePath;

/// One line that a tool said about an entry, or about nothing in particular.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// It was gone when its turn came.
    Vanished(RemotePath),
    /// The account may not read it.
    Denied(RemotePath),
    /// It changed while it was read.
    Changed(RemotePath),
    /// It got shorter while it was read; the missing end was sent as zeros.
    Shrank(RemotePath),
    /// Its path is longer than the host can open.
    TooLong(RemotePath),
    /// It could not be read, and this is why.
    Unread(RemotePath, String),
    /// Its ACLs or extended attributes could not be read; it was sent without them.
    Attributes(RemotePath, String),
    /// So many bytes of what it said were not kept: what they said, and of what, is not known.
    Dropped(u64),
    /// Said of no entry, as "Exiting with failure status due to previous errors".
    Other(String),
}

/// Reads the lines that GNU tar with `--quoting-style=c` and `--directory=/` says.
#[must_use]
pub fn of_tar(stderr: &[u8]) -> Vec<Note> {
    lines(stderr).filter_map(tar_note).collect()
}

/// Reads the lines that `find` says. Names in them cannot always be told apart from quotes and
/// newlines, so the lines are kept.
#[must_use]
pub fn of_find(stderr: &[u8]) -> Vec<FindNote> {
    lines(stderr).map(find_note).collect()
}

/// One line that arrived while `find` ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindNote {
    /// Something was not there, or vanished during the walk.
    Missing(String),
    /// Something could not be read or entered.
    Denied {
        /// What; none if the name cannot be made out.
        path: Option<RemotePath>,
        /// The whole line.
        said: String,
    },
    /// Something could not be looked at for another reason: a mount whose server has gone, a bad disk.
    Failed {
        /// What.
        path: RemotePath,
        /// Why.
        why: String,
    },
    /// Another complaint of `find`.
    Other(String),
    /// Not said by `find`: sudo's words, or noise of a login shell.
    Aside(String),
}

impl FindNote {
    /// Names what is at a real path as it was asked for.
    pub fn name_as_asked(&mut self, resolved: &Resolved) {
        let text = |path: &RemotePath| String::from_utf8_lossy(path.as_bytes()).into_owned();
        let rename = |said: &mut String| {
            // `/` is in every path.
            if resolved.real.parent().is_some() {
                *said = said.replace(&text(&resolved.real), &text(&resolved.asked));
            }
        };
        match self {
            Self::Denied { path, said } => {
                if let Some(asked) = path.as_ref().and_then(|path| resolved.to_asked(path)) {
                    *path = Some(asked);
                    rename(said);
                }
            }
            Self::Failed { path, .. } => {
                if let Some(asked) = resolved.to_asked(path) {
                    *path = asked;
                }
            }
            Self::Missing(said) => rename(said),
            Self::Other(_) | Self::Aside(_) => {}
        }
    }
}

fn find_note(line: &[u8]) -> FindNote {
    let said = String::from_utf8_lossy(line).into_owned();
    let colon = line.windows(2).position(|pair| pair == b": ");
    let Some((b"find", what)) = colon.map(|at| (base_name(&line[..at]), &line[at + 2..])) else {
        return FindNote::Aside(said);
    };
    if what.ends_with(b": No such file or directory") {
        FindNote::Missing(said)
    } else if let Some(name) = what.strip_suffix(b": Permission denied") {
        let path = match unquote(name, b'\'') {
            Some((name, b"")) => RemotePath::from_bytes(name),
            // Just GNU's find quotes.
            Some(_) | None => RemotePath::from_bytes(name),
        };
        FindNote::Denied {
            path: path.ok(),
            said,
        }
    } else if let Some((path, why)) = failed(what) {
        FindNote::Failed { path, why }
    } else {
        FindNote::Other(said)
    }
}

/// An absolute path and what is wrong with it; GNU's find quotes the path.
fn failed(what: &[u8]) -> Option<(RemotePath, String)> {
    let (name, why) = match unquote(what, b'\'') {
        Some((name, rest)) => (name, rest.strip_prefix(b": ")?),
        None => {
            let colon = what.windows(2).rposition(|pair| pair == b": ")?;
            (what[..colon].to_vec(), &what[colon + 2..])
        }
    };
    let path = RemotePath::from_bytes(name).ok()?;
    Some((path, String::from_utf8_lossy(why).into_owned()))
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

fn lines(stderr: &[u8]) -> impl Iterator<Item = &[u8]> {
    stderr
        .split(|&b| b == b'\n')
        .filter(|line| !line.is_empty())
}

/// Lines that say nothing that is not known better from elsewhere.
const SILENT: [&str; 3] = [
    "Exiting with failure status due to previous errors",
    "socket ignored",
    "Removing leading",
];

fn tar_note(line: &[u8]) -> Option<Note> {
    let said = String::from_utf8_lossy(line);
    if SILENT.iter().any(|silent| said.contains(silent)) {
        return None;
    }
    let about = words_of_tar(line).and_then(|rest| {
        let rest = rest.strip_prefix(b"Warning: ").unwrap_or(rest);
        let (name, rest) = unquote(rest, b'"')?;
        Some((
            RemotePath::from_member(&name).ok()?,
            rest.strip_prefix(b": ")?,
        ))
    });
    let Some((path, what)) = about else {
        return Some(Note::Other(said.into_owned()));
    };
    let what = String::from_utf8_lossy(what);
    // tar warns of nothing else that it cannot do: what it was asked for and can't read is an error.
    if let Some(why) = what.strip_prefix("Warning: Cannot ") {
        // Its file system has none, so nothing is missing.
        if why.ends_with("Operation not supported") {
            return None;
        }
        return Some(Note::Attributes(path, why.to_owned()));
    }
    Some(
        if what.ends_with("No such file or directory") || what.starts_with("File removed before") {
            Note::Vanished(path)
        } else if what.ends_with("Permission denied") {
            Note::Denied(path)
        } else if what.starts_with("file changed as we read it") {
            Note::Changed(path)
        } else if what.starts_with("File shrank by") {
            Note::Shrank(path)
        } else if what.ends_with("File name too long") {
            Note::TooLong(path)
        } else {
            Note::Unread(path, what.into_owned())
        },
    )
}

/// What follows the name of the program, which is a whole path where a script starts tar by one.
fn words_of_tar(line: &[u8]) -> Option<&[u8]> {
    let colon = line.windows(2).position(|pair| pair == b": ")?;
    let is_tar = matches!(base_name(&line[..colon]), b"tar" | b"gtar");
    is_tar.then(|| &line[colon + 2..])
}

/// Takes a C string literal between `quote`s off the front of `text`.
fn unquote(text: &[u8], quote: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(&[quote])?;
    let mut name = Vec::new();
    loop {
        if let Some((byte, after)) = octal(rest) {
            name.push(byte);
            rest = after;
            continue;
        }
        match rest {
            [byte, after @ ..] if *byte == quote => return Some((name, after)),
            [b'\\', escaped, after @ ..] => {
                name.push(match escaped {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                name.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(bytes: &[u8]) -> RemotePath {
        RemotePath::from_bytes(bytes).expect("a path")
    }

    #[test]
    fn what_gnu_tar_says_is_understood() {
        let stderr = br#"tar: "tmp/d/nope": Cannot stat: No such file or directory
tar: "tmp/d/\377\303\251x\n\"q\\": Cannot open: Permission denied
tar: "tmp/d/big": file changed as we read it
tar: "tmp/d/big": File shrank by 244550917 bytes; padding with zeros
/usr/bin/tar: "tmp/gone": File removed before we read it
tar: "tmp/deep": Cannot stat: File name too long
tar: "tmp/bad": Read error at byte 0, while reading 512 bytes: Input/output error
tar: "tmp/long": Warning: Cannot file_has_acl_at: File name too long
tar: "run/x": socket ignored
tar: "mnt/x": Warning: Cannot llistxattrat: Operation not supported
tar: "-": Cannot write: Broken pipe at last
sudo: unable to resolve host dev-vm
tar: Exiting with failure status due to previous errors
"#;
        assert_eq!(
            of_tar(stderr),
            [
                Note::Vanished(path(b"/tmp/d/nope")),
                Note::Denied(path(b"/tmp/d/\xff\xc3\xa9x\n\"q\\")),
                Note::Changed(path(b"/tmp/d/big")),
                Note::Shrank(path(b"/tmp/d/big")),
                Note::Vanished(path(b"/tmp/gone")),
                Note::TooLong(path(b"/tmp/deep")),
                Note::Unread(
                    path(b"/tmp/bad"),
                    "Read error at byte 0, while reading 512 bytes: Input/output error".to_owned()
                ),
                Note::Attributes(
                    path(b"/tmp/long"),
                    "file_has_acl_at: File name too long".to_owned()
                ),
                Note::Unread(path(b"/-"), "Cannot write: Broken pipe at last".to_owned()),
                Note::Other("sudo: unable to resolve host dev-vm".to_owned()),
            ]
        );
    }

    #[test]
    fn what_find_says_is_sorted_by_kind() {
        let stderr = b"welcome: Permission denied\nfind: '/opt/x': No such file or directory\n\
            find: '/root/a\\n\\'\\377': Permission denied\n/bin/find: /plain: Permission denied\n\
            find: 'odd: Permission denied\nfind: boom\n\
            find: '/mnt/a\\n': Transport endpoint is not connected\n\
            find: /mnt/b: c: Stale file handle\nfind: 'x': boom\nfind: /mnt: c\n";
        let failed = |at: &[u8], why: &str| FindNote::Failed {
            path: path(at),
            why: why.to_owned(),
        };
        let denied = |path, said: &str| FindNote::Denied {
            path,
            said: said.to_owned(),
        };
        assert_eq!(
            of_find(stderr),
            [
                FindNote::Aside("welcome: Permission denied".to_owned()),
                FindNote::Missing("find: '/opt/x': No such file or directory".to_owned()),
                denied(
                    Some(path(b"/root/a\n'\xff")),
                    r"find: '/root/a\n\'\377': Permission denied"
                ),
                denied(
                    Some(path(b"/plain")),
                    "/bin/find: /plain: Permission denied"
                ),
                denied(None, "find: 'odd: Permission denied"),
                FindNote::Other("find: boom".to_owned()),
                failed(b"/mnt/a\n", "Transport endpoint is not connected"),
                failed(b"/mnt/b: c", "Stale file handle"),
                FindNote::Other("find: 'x': boom".to_owned()),
                failed(b"/mnt", "c"),
            ]
        );
    }
}
