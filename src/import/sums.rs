//! Checks a backup against its own list of digests, as `sha256sum` writes it.

use std::collections::HashMap;

use super::Error;
use super::survey::Survey;
use crate::digest::Sha256;
use crate::name::{RemotePath, escape};

/// So many files that do not match are listed.
const FIRST_MAX: usize = 10;

/// A list that what is in the backup was compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Where it is in the backup, without its leading slash.
    pub list: String,
    /// The files that match it: all that it names.
    pub files: u64,
    /// Files beside them in the backup, of which it says nothing.
    pub unlisted: u64,
    pub(super) path: RemotePath,
}

/// One line of a list.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    name: Vec<u8>,
    sha256: Sha256,
}

/// Holds the backup against every list of digests in it. Gives the lists, and what is called like one and
/// does not read.
///
/// # Errors
///
/// [`Error::Sums`] if a file is not what a list says, or is not there.
pub(super) fn check(
    path: &std::path::Path,
    survey: &Survey,
) -> Result<(Vec<Checked>, Vec<RemotePath>), Error> {
    let mut digests: HashMap<&RemotePath, Sha256> = HashMap::new();
    for member in &survey.members {
        if let Some(sha256) = member.sha256 {
            digests.insert(&member.head.path, sha256);
        }
    }
    // Further names of a file are the file.
    for member in &survey.members {
        if let crate::tarstream::Kind::HardLink { target } = &member.head.kind
            && let Some(sha256) = digests.get(target).copied()
        {
            digests.insert(&member.head.path, sha256);
        }
    }
    let (mut checked, mut unread) = (Vec::new(), Vec::new());
    for (list, text) in &survey.texts {
        let Some(lines) = parse(text) else {
            let name = list.file_name().to_ascii_lowercase();
            if name.windows(6).any(|part| part == b"sha256") {
                unread.push(list.clone());
            }
            continue;
        };
        let mut files = 0;
        let mut wrong = Vec::new();
        for line in &lines {
            let found = places(list, &line.name)
                .into_iter()
                .find_map(|place| Some((digests.get(&place).copied()?, place)));
            match found {
                // It was not whole yet when it was hashed.
                Some((_, place)) if place == *list => {}
                Some((sha256, _)) if sha256 == line.sha256 => files += 1,
                Some(_) => wrong.push(format!("`{}` differs", escape(&line.name))),
                None => wrong.push(format!("`{}` is missing", escape(&line.name))),
            }
        }
        if !wrong.is_empty() {
            let count = wrong.len();
            wrong.truncate(FIRST_MAX);
            return Err(Error::Sums {
                path: path.to_owned(),
                list: list.clone(),
                count,
                first: wrong,
            });
        }
        let beside = digests.len() as u64 - 1;
        checked.push(Checked {
            list: escape(list.member()),
            files,
            unlisted: beside.saturating_sub(files),
            path: list.clone(),
        });
    }
    Ok((checked, unread))
}

/// Where in the backup a file may be that the list at `list` calls `name`: beside the list, at the top,
/// or, if it was called by its full path when it was hashed, beneath a folder of the list's name.
fn places(list: &RemotePath, name: &[u8]) -> Vec<RemotePath> {
    let folder = list.parent();
    let folder = folder.as_ref().map_or(&b""[..], RemotePath::member);
    let mut names: Vec<Vec<u8>> = Vec::new();
    let relative: Vec<&[u8]> = name
        .split(|&b| b == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    let within = |parts: &[&[u8]]| {
        let mut whole = folder.to_vec();
        if !whole.is_empty() {
            whole.push(b'/');
        }
        whole.extend(parts.join(&b'/'));
        whole
    };
    if !name.starts_with(b"/") {
        names.push(within(&relative));
    }
    names.push(relative.join(&b'/'));
    let own = folder.rsplit(|&b| b == b'/').next().unwrap_or_default();
    if !own.is_empty()
        && let Some(at) = relative.iter().rposition(|part| *part == own)
    {
        names.push(within(&relative[at + 1..]));
    }
    names
        .iter()
        .filter_map(|name| RemotePath::from_member(name).ok())
        .collect()
}

/// The lines of a list; none if the text is not one. Comments and empty lines are passed over.
fn parse(text: &[u8]) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    for line in text.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        lines.push(parse_line(line)?);
    }
    (!lines.is_empty()).then_some(lines)
}

fn parse_line(line: &[u8]) -> Option<Line> {
    let (is_escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (digest, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix(b"  ").or(rest.strip_prefix(b" *"))?;
    let digest = std::str::from_utf8(digest).ok()?.to_ascii_lowercase();
    Some(Line {
        name: if is_escaped {
            unescape(name)
        } else {
            name.to_vec()
        },
        sha256: digest.parse().ok()?,
    })
}

/// `sha256sum` writes line breaks in names as `\n`, and begins such a line with a backslash.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut bytes = name.iter();
    let mut plain = Vec::with_capacity(name.len());
    while let Some(&byte) = bytes.next() {
        match (byte, byte == b'\\') {
            (_, true) => match bytes.next() {
                Some(b'n') => plain.push(b'\n'),
                Some(b'r') => plain.push(b'\r'),
                Some(&other) => plain.push(other),
                None => plain.push(b'\\'),
            },
            (byte, false) => plain.push(byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str, name: &str) -> Vec<String> {
        let list = list.parse().expect("a path");
        places(&list, name.as_bytes())
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn names_are_looked_for_where_they_may_have_been_hashed() {
        assert_eq!(
            shown("/snapshot/sha256sums.txt", "./config/config.yaml"),
            ["/snapshot/config/config.yaml", "/config/config.yaml"]
        );
        assert_eq!(
            shown("/snapshot/sha256sums.txt", "snapshot/config/a"),
            [
                "/snapshot/snapshot/config/a",
                "/snapshot/config/a",
                "/snapshot/config/a"
            ]
        );
        assert_eq!(
            shown("/snapshot/sha256sums.txt", "/tmp/tmp.x/snapshot/config/a"),
            ["/tmp/tmp.x/snapshot/config/a", "/snapshot/config/a"]
        );
        assert_eq!(
            shown("/sha256sums.txt", "../etc/passwd"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn lines_are_read_as_sha256sum_writes_them() {
        let digest = Sha256::of(b"");
        let line = |name: &[u8]| Line {
            name: name.to_vec(),
            sha256: digest,
        };
        let text = format!("{digest}  a b\n# no\n\n{digest} *c\r\n\\{digest}  d\\ne\\\\f\n");
        assert_eq!(
            parse(text.as_bytes()),
            Some(vec![line(b"a b"), line(b"c"), line(b"d\ne\\f")])
        );
        assert_eq!(parse(b"a manifest\n"), None);
        assert_eq!(parse(b"\n"), None);
    }
}
