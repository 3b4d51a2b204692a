//! Quoting for the shells that a host may have as login shell.

/// One word for a shell, whatever it holds.
///
/// Single quotes mean the same to sh, bash, dash, zsh, ksh, fish and csh, but for two things: fish
/// takes a backslash before `'` or `\` as an escape even there, and csh wants one before a newline.
/// Backslashes and single quotes therefore stand outside, each escaped by itself.
#[must_use]
pub(super) fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(word.len() + 2);
    let mut open = false;
    for &byte in word {
        let outside = matches!(byte, b'\'' | b'\\');
        if outside == open {
            quoted.push(b'\'');
            open = !open;
        }
        if outside {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    if open {
        quoted.push(b'\'');
    }
    if quoted.is_empty() {
        quoted.extend_from_slice(b"''");
    }
    quoted
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn every_byte_survives_every_shell_that_is_here() {
        let mut words: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"plain".to_vec(),
            b"it's".to_vec(),
            b"-rf".to_vec(),
            b"a b\tc\n$HOME `id` \"x\" \\ \\' ! * ? [a] {b} ~ # ;".to_vec(),
            b"'\\''".to_vec(),
            (1..=255).collect(),
        ];
        words.push(b"\\".repeat(9));
        for shell in ["sh", "bash", "dash", "zsh", "fish", "busybox"] {
            for word in &words {
                let mut line = b"printf %s ".to_vec();
                line.extend(quote(word));
                let mut command = Command::new(shell);
                if shell == "busybox" {
                    command.arg("sh");
                }
                let Ok(output) = command
                    .arg("-c")
                    .arg(std::ffi::OsStr::from_bytes(&line))
                    .output()
                else {
                    continue;
                };
                assert_eq!(
                    output.stdout,
                    *word,
                    "{shell}: {}",
                    String::from_utf8_lossy(&line)
                );
            }
        }
    }
}
