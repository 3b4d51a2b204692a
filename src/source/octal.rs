//! Decodes bytes that mount tables and GNU tools write as a backslash and three octal digits.

/// The byte that `text` begins with in that form, and what follows it; none if it begins otherwise.
pub(super) fn octal(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [
            b'\\',
            a @ b'0'..=b'3',
            b @ b'0'..=b'7',
            c @ b'0'..=b'7',
            after @ ..,
        ] => Some(((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::octal;

    #[test]
    fn three_digits_are_one_byte() {
        for (text, read) in [
            (&br"\040x"[..], Some((b' ', &b"x"[..]))),
            (br"\377", Some((0xff, b""))),
            (br"\0401", Some((b' ', b"1"))),
            (br"\400", None),
            (br"\08x", None),
            (br"\04", None),
            (b"040", None),
        ] {
            assert_eq!(octal(text), read);
        }
    }
}
