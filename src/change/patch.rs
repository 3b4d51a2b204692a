//! Renders the difference of two texts as a patch in the unified format, with git's extended headers.
//!
//! The bytes of both texts go into it as they are, so that `patch -p1` and `git apply` make one text
//! of the other; whoever shows a patch on a terminal has to escape it. Names are quoted as git does
//! it wherever they hold anything but plain characters.
//!
//! Sources: POSIX `diff`, "Diff -u Output Format"; git-diff(1), "Generating patch text with -p".

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices, group_diff_ops};

use crate::name::RemotePath;

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// A file on one side of a patch.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Its permission bits.
    pub mode: u32,
    /// All of it.
    pub content: &'a [u8],
}

/// Whether `content` can be in a patch: it has no NUL.
#[must_use]
pub fn is_text(content: &[u8]) -> bool {
    !content.contains(&0)
}

/// The patch that makes `new` of `old`, for a file at `path`; a missing side is no file. Empty if
/// neither content nor permission bits differ.
#[must_use]
pub fn unified(path: &RemotePath, old: Option<Side<'_>>, new: Option<Side<'_>>) -> Vec<u8> {
    let [old_name, new_name] = [&b"a/"[..], b"b/"].map(|side| quoted(side, path));
    let modes = match (old, new) {
        (Some(old), None) => format!("deleted file mode 100{:03o}\n", old.mode & 0o777),
        (None, Some(new)) => format!("new file mode 100{:03o}\n", new.mode & 0o777),
        (Some(old), Some(new)) if old.mode & 0o777 != new.mode & 0o777 => format!(
            "old mode 100{:03o}\nnew mode 100{:03o}\n",
            old.mode & 0o777,
            new.mode & 0o777
        ),
        (Some(_), Some(_)) | (None, None) => String::new(),
    };
    let (old_lines, new_lines) = (lines(old), lines(new));
    let hunks = hunks(&old_lines, &new_lines);
    if modes.is_empty() && hunks.is_empty() {
        return Vec::new();
    }
    let mut patch = format!("diff --git {old_name} {new_name}\n{modes}").into_bytes();
    if !hunks.is_empty() {
        let name = |side: Option<Side<'_>>, name| match side {
            Some(_) => name,
            None => "/dev/null".to_owned(),
        };
        let head = format!("--- {}\n+++ {}\n", name(old, old_name), name(new, new_name));
        patch.extend_from_slice(head.as_bytes());
        patch.extend_from_slice(&hunks);
    }
    patch
}

/// Lines with their ends. Only a newline ends a line: a carriage return is part of it, as it is for
/// every program that applies patches.
fn lines(side: Option<Side<'_>>) -> Vec<&[u8]> {
    let content = side.map(|side| side.content).unwrap_or_default();
    content.split_inclusive(|&byte| byte == b'\n').collect()
}

fn hunks(old: &[&[u8]], new: &[&[u8]]) -> Vec<u8> {
    let operations = capture_diff_slices(Algorithm::Myers, old, new);
    let mut text = Vec::new();
    for hunk in group_diff_ops(operations, CONTEXT_LINES) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            continue;
        };
        let old_range = first.old_range().start..last.old_range().end;
        let new_range = first.new_range().start..last.new_range().end;
        let head = format!("@@ -{} +{} @@\n", shown(&old_range), shown(&new_range));
        text.extend_from_slice(head.as_bytes());
        for operation in hunk {
            let (removed, added) = (operation.old_range(), operation.new_range());
            match operation {
                DiffOp::Equal { .. } => push(&mut text, b' ', &old[removed]),
                DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. } => {
                    push(&mut text, b'-', &old[removed]);
                    push(&mut text, b'+', &new[added]);
                }
            }
        }
    }
    text
}

/// `FIRST,COUNT`, counted from one; the line before it where there are none.
fn shown(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn push(text: &mut Vec<u8>, sign: u8, lines: &[&[u8]]) {
    for line in lines {
        text.push(sign);
        text.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            text.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// `a/etc/hosts`, or in quotes with octal escapes.
fn quoted(side: &[u8], path: &RemotePath) -> String {
    let name = [side, path.member()].concat();
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if name.iter().all(is_plain) {
        return String::from_utf8_lossy(&name).into_owned();
    }
    let mut text = String::from("\"");
    for byte in name {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(path: &[u8], old: Option<&[u8]>, new: Option<&[u8]>) -> String {
        let path = RemotePath::from_bytes(path).expect("a path");
        let side = |content| Side {
            mode: 0o640,
            content,
        };
        let patch = unified(&path, old.map(side), new.map(side));
        String::from_utf8(patch).expect("text")
    }

    #[test]
    fn hunks_count_lines_as_patch_does() {
        let old = b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
        let new = b"1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13";
        insta::assert_snapshot!(patch(b"/etc/x", Some(old), Some(new)), @r"
        diff --git a/etc/x b/etc/x
        --- a/etc/x
        +++ b/etc/x
        @@ -2,7 +2,7 @@
         2
         3
         4
        -5
        +five
         6
         7
         8
        @@ -10,3 +10,4 @@
         10
         11
         12
        +13
        \ No newline at end of file
        ");
    }

    #[test]
    fn a_side_that_is_missing_is_dev_null() {
        insta::assert_snapshot!(patch(b"/x", None, Some(b"a\n")), @r"
        diff --git a/x b/x
        new file mode 100640
        --- /dev/null
        +++ b/x
        @@ -0,0 +1 @@
        +a
        ");
        insta::assert_snapshot!(patch(b"/x", Some(b"a\nb"), None), @r"
        diff --git a/x b/x
        deleted file mode 100640
        --- a/x
        +++ /dev/null
        @@ -1,2 +0,0 @@
        -a
        -b
        \ No newline at end of file
        ");
        assert_eq!(
            patch(b"/x", None, Some(b"")),
            "diff --git a/x b/x\nnew file mode 100640\n"
        );
        assert_eq!(patch(b"/x", Some(b"a"), Some(b"a")), "");
    }

    #[test]
    fn carriage_returns_end_no_line() {
        let text = patch(b"/x", Some(b"a\rb\r\n"), Some(b"a\rc\r\n"));
        assert!(
            text.ends_with("@@ -1 +1 @@\n-a\rb\r\n+a\rc\r\n"),
            "{text:?}"
        );
    }

    #[test]
    fn names_are_quoted_as_git_does() {
        let names = patch(b"/a b/\"\\\n\xff", None, Some(b"x\n"));
        let line = names.lines().next();
        assert_eq!(
            line,
            Some(r#"diff --git "a/a b/\"\\\012\377" "b/a b/\"\\\012\377""#)
        );
    }

    #[test]
    fn what_holds_nul_is_no_text() {
        assert!(is_text(b"plain \xff\x1b"));
        assert!(!is_text(b"a\0b"));
    }
}
