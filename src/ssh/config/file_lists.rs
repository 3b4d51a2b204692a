//! Splits the lists of files that `ssh -G` prints on one line, where it leaves out the quotes.
//!
//! `UserKnownHostsFile "/a b" /c` is printed as `/a b /c`. Splitting that at its blanks would trust keys
//! in files that OpenSSH never reads, so a list with blanks is looked up in the configuration files that
//! `ssh -G -vvv` says it has read. Lists that stay ambiguous are refused.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::ssh::config::arguments::words_before_comment;

/// The files of `value` if there is only one way to read it; none: the configuration must be asked.
pub(in crate::ssh) fn split_plainly(value: &str) -> Option<Vec<String>> {
    if value.is_empty() || value.eq_ignore_ascii_case("none") {
        return Some(Vec::new());
    }
    if !value.contains(' ') {
        return Some(vec![value.to_owned()]);
    }
    // The default: a file, and the same with a 2 behind it.
    value
        .match_indices(' ')
        .map(|(at, _)| (&value[..at], &value[at + 1..]))
        .find(|(first, second)| {
            first.ends_with("known_hosts") && second.strip_suffix('2') == Some(first)
        })
        .map(|(first, second)| vec![first.to_owned(), second.to_owned()])
}

/// What `ssh -G -vvv` tells on its standard error about how it came to its answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::ssh) struct Trace {
    /// The configuration files that it has read.
    files: Vec<PathBuf>,
    /// File names before and after tokens and `~` were replaced.
    expanded: HashMap<String, String>,
}

impl Trace {
    pub(in crate::ssh) fn parse(stderr: &[u8]) -> Self {
        let mut trace = Self::default();
        for line in stderr.split(|&byte| byte == b'\n') {
            let line = unescape(line.strip_suffix(b"\r").unwrap_or(line));
            let line = String::from_utf8_lossy(&line);
            if let Some((_, file)) = line.split_once("Reading configuration data ") {
                trace.files.push(file.into());
            } else if let Some((_, names)) = line.split_once("expanded UserKnownHostsFile '")
                && let Some((before, after)) = names
                    .strip_suffix('\'')
                    .and_then(|names| names.split_once("' -> '"))
            {
                trace.expanded.insert(before.to_owned(), after.to_owned());
            }
        }
        trace
    }

    /// The files that `option` names, of which `ssh -G` printed `value`.
    ///
    /// # Errors
    ///
    /// Why that is unknown.
    pub(in crate::ssh) fn split(&self, option: &str, value: &str) -> Result<Vec<String>, String> {
        let texts = self.files.iter().filter_map(|file| {
            let text = std::fs::read(file).ok()?;
            Some(String::from_utf8_lossy(&text).into_owned())
        });
        let mut found: Vec<Vec<String>> = Vec::new();
        for text in texts {
            for files in text.lines().filter_map(|line| self.files_of(line, option)) {
                if files.join(" ") == value && !found.contains(&files) {
                    found.push(files);
                }
            }
        }
        match (found.len(), found.pop()) {
            (1, Some(files)) => Ok(files),
            // Not found, but every word begins like a whole name.
            (0, _)
                if value
                    .split(' ')
                    .all(|word| word.starts_with('/') || word.starts_with("~/")) =>
            {
                Ok(value.split(' ').map(str::to_owned).collect())
            }
            _ => Err(format!(
                "`ssh -G` prints `{option} {value}`, which is ambiguous; use file names without blanks"
            )),
        }
    }

    /// The files that a line of a configuration file names, if it is about `option`.
    fn files_of(&self, line: &str, option: &str) -> Option<Vec<String>> {
        let line = line.trim();
        let end = line.find([' ', '\t', '='])?;
        let (keyword, rest) = line.split_at(end);
        if !keyword.eq_ignore_ascii_case(option) {
            return None;
        }
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        let words = words_before_comment(rest)?;
        Some(
            words
                .into_iter()
                .map(|word| self.expanded.get(&word).cloned().unwrap_or(word))
                .collect(),
        )
    }
}

/// OpenSSH prints `\` twice, and what is not ASCII as `\303\244`.
fn unescape(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            plain.push(byte);
        } else if let Some(after) = after.strip_prefix(b"\\") {
            plain.push(b'\\');
            rest = after;
        } else if let Some((digits, after)) = after.split_first_chunk::<3>()
            && let Ok(digits) = std::str::from_utf8(digits)
            && let Ok(octal) = u8::from_str_radix(digits, 8)
        {
            plain.push(octal);
            rest = after;
        } else {
            plain.push(byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn one_file_and_the_default_need_no_configuration() {
        assert_eq!(split_plainly("none"), Some(Vec::new()));
        assert_eq!(split_plainly("/a"), Some(owned(&["/a"])));
        assert_eq!(
            split_plainly("/Users/Jane Doe/.ssh/known_hosts /Users/Jane Doe/.ssh/known_hosts2"),
            Some(owned(&[
                "/Users/Jane Doe/.ssh/known_hosts",
                "/Users/Jane Doe/.ssh/known_hosts2"
            ]))
        );
        assert_eq!(split_plainly("/a b/known_hosts"), None);
        assert_eq!(split_plainly("/a /b"), None);
    }

    #[test]
    fn a_list_is_what_the_configuration_says() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let text = "# UserKnownHostsFile /no no\nHost a\n  userKnownHostsFile = \"/a b\" /c # both\n\
                    GlobalKnownHostsFile /a\\ b\nHost b\n\tUserKnownHostsFile \"~/x y\" /z\n";
        std::fs::write(&file, text).expect("a file");
        let stderr = format!(
            "debug1: Reading configuration data {}\ndebug1: x line 1: Applying options for *\n\
             debug3: expanded UserKnownHostsFile '~/x y' -> '/home/m\\303\\274/x y'\n",
            file.display()
        );
        let trace = Trace::parse(stderr.as_bytes());
        let user = |value| trace.split("UserKnownHostsFile", value);
        assert_eq!(user("/a b /c"), Ok(owned(&["/a b", "/c"])));
        assert_eq!(user("/home/mü/x y /z"), Ok(owned(&["/home/mü/x y", "/z"])));
        assert_eq!(user("/d /e"), Ok(owned(&["/d", "/e"])));
        assert_eq!(
            trace.split("GlobalKnownHostsFile", "/a b"),
            Ok(owned(&["/a b"]))
        );
        assert_eq!(
            user("/d e"),
            Err("`ssh -G` prints `UserKnownHostsFile /d e`, which is ambiguous; use file names without blanks".to_owned())
        );
    }

    #[test]
    fn two_lines_that_print_alike_are_ambiguous() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        std::fs::write(
            &file,
            "UserKnownHostsFile \"/a /b\"\nUserKnownHostsFile /a /b\n",
        )
        .expect("a file");
        let stderr = format!("debug1: Reading configuration data {}\n", file.display());
        let trace = Trace::parse(stderr.as_bytes());
        assert!(trace.split("UserKnownHostsFile", "/a /b").is_err());
    }
}
