//! Splits text into words as OpenSSH's configuration does: quotes, backslashes, comments.
//!
//! Source: OpenSSH `misc.c`, `argv_split`.

/// The words of `text`; none if a quote is left open.
pub(in crate::ssh) fn words(text: &str) -> Option<Vec<String>> {
    split(text, false)
}

/// The words of a configuration line's value, up to a comment.
pub(in crate::ssh) fn words_before_comment(text: &str) -> Option<Vec<String>> {
    split(text, true)
}

fn split(text: &str, until_comment: bool) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    loop {
        while letters
            .next_if(|letter| matches!(letter, ' ' | '\t'))
            .is_some()
        {}
        match letters.peek() {
            None => return Some(words),
            Some('#') if until_comment => return Some(words),
            Some(_) => {}
        }
        let mut word = String::new();
        let mut quote = None;
        while let Some(letter) = letters.next() {
            match (letter, quote) {
                ('\\', _) => match letters.peek() {
                    Some(&next)
                        if matches!(next, '\'' | '"' | '\\')
                            || (next == ' ' && quote.is_none()) =>
                    {
                        word.push(next);
                        letters.next();
                    }
                    _ => word.push('\\'),
                },
                (' ' | '\t', None) => break,
                ('"' | '\'', None) => quote = Some(letter),
                (_, Some(open)) if letter == open => quote = None,
                _ => word.push(letter),
            }
        }
        if quote.is_some() {
            return None;
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_keep_blanks() {
        let cases: [(&str, Option<&[&str]>); 9] = [
            ("", Some(&[])),
            ("  a\t b ", Some(&["a", "b"])),
            (r#""/a b" '/c d' e\ f"#, Some(&["/a b", "/c d", "e f"])),
            (r#"a"b c"d"#, Some(&["ab cd"])),
            (
                r#""a\"b" 'c\'d' e\\f g\h"#,
                Some(&["a\"b", "c'd", r"e\f", r"g\h"]),
            ),
            (r#""a\ b""#, Some(&[r"a\ b"])),
            (r#""" x"#, Some(&["", "x"])),
            ("\"open", None),
            ("a # b", Some(&["a", "#", "b"])),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|words| {
                words
                    .iter()
                    .map(|&word| word.to_owned())
                    .collect::<Vec<_>>()
            });
            assert_eq!(words(text), expected, "{text}");
        }
        assert_eq!(
            words_before_comment("a b#c # d"),
            Some(vec!["a".to_owned(), "b#c".to_owned()])
        );
    }
}
