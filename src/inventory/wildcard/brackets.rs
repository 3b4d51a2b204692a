//! Bracket expressions: one byte of a set, with ranges, escapes and POSIX classes, as git reads them.

use super::WildcardError;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    /// Adds it to a regular expression over bytes.
    pub(super) fn push_to(&self, text: &mut String) {
        text.push('[');
        let mut at = 0;
        while at < self.0.len() {
            let len = self.0[at..].iter().take_while(|is_in| **is_in).count();
            if len > 0 {
                text.push_str(&format!("\\x{at:02x}-\\x{:02x}", at + len - 1));
            }
            at += len + 1;
        }
        text.push(']');
    }
}

/// How long the bracket expression is that `text` begins with; none if it is not closed.
pub(in super::super) fn class_bytes(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = class_start(bytes)?;
    let first = at;
    loop {
        match *bytes.get(at)? {
            b']' if at > first => return Some(at + 1),
            b'\\' => at += 2,
            b'[' if bytes.get(at + 1) == Some(&b':') => {
                at = named_end(bytes, at)?.unwrap_or(at + 1);
            }
            _ => at += 1,
        }
    }
}

/// Behind `[`, and behind `!` or `^`; none if it is no bracket expression.
fn class_start(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'[', b'!' | b'^', ..] => Some(2),
        [b'[', ..] => Some(1),
        _ => None,
    }
}

/// Where the `[:name:]` at `at` ends. Outer none: no bracket closes it; inner none: it is none.
fn named_end(bytes: &[u8], at: usize) -> Option<Option<usize>> {
    let name = at + 2;
    let close = name + bytes.get(name..)?.iter().position(|&byte| byte == b']')?;
    let is_named = close > name && bytes[close - 1] == bytes[at + 1];
    Some(is_named.then_some(close + 1))
}

/// Reads the bracket expression that `text` begins with, and how long it is.
pub(super) fn class(text: &str) -> Result<(ByteSet, usize), WildcardError> {
    let end = class_bytes(text).ok_or(WildcardError::Unclosed)?;
    let bytes = text.as_bytes();
    if let Some(name) = CLASSES.iter().map(|(name, _)| *name).find(|name| {
        let inside = text[1..end - 1].strip_prefix(':');
        inside.and_then(|rest| rest.strip_suffix(':')) == Some(*name)
    }) {
        return Err(WildcardError::SingleBrackets(name));
    }
    let first = class_start(bytes).unwrap_or(1);
    let negated = first == 2;
    let mut set = ByteSet([false; 256]);
    let mut at = first;
    // What a range may begin with: the byte before, unless that ended a range or a class.
    let mut before: Option<u8> = None;
    while at < end - 1 {
        let byte = bytes[at];
        if byte == b'[' && bytes.get(at + 1) == Some(&b':') {
            if let Some(Some(after)) = named_end(bytes, at) {
                let name = &text[at + 2..after - 2];
                let (_, is_in) = CLASSES
                    .iter()
                    .find(|(known, _)| *known == name)
                    .ok_or_else(|| {
                        WildcardError::UnknownClass(crate::name::escape(name.as_bytes()))
                    })?;
                for candidate in 0..=127 {
                    set.0[usize::from(candidate)] |= is_in(candidate);
                }
                at = after;
                before = None;
                continue;
            }
        } else if byte == b'['
            && matches!(bytes.get(at + 1), Some(b'.' | b'='))
            && matches!(named_end(bytes, at), Some(Some(after)) if after > at + 4)
        {
            return Err(WildcardError::Collating);
        }
        match before {
            Some(low) if byte == b'-' && at + 1 < end - 1 => {
                at += 1;
                if bytes[at] == b'\\' {
                    at += 1;
                }
                let high = bytes[at];
                if high < low {
                    return Err(WildcardError::BackwardRange(low.into(), high.into()));
                }
                set.0[usize::from(low)..=usize::from(high)].fill(true);
                before = None;
            }
            _ => {
                if byte == b'\\' {
                    at += 1;
                }
                set.0[usize::from(bytes[at])] = true;
                before = Some(bytes[at]);
            }
        }
        at += 1;
    }
    if negated {
        set.0 = set.0.map(|is_in| !is_in);
    } else if let Some(c) = text[..end].chars().find(|c| !c.is_ascii()) {
        return Err(WildcardError::NotAscii(c));
    }
    set.0[usize::from(b'/')] = false;
    if set.0.contains(&true) {
        Ok((set, end))
    } else {
        Err(WildcardError::Nothing)
    }
}

/// Whether a class holds a byte.
type Holds = fn(u8) -> bool;

/// POSIX's classes in the C locale; `space` as git has it, without vertical tab and form feed.
const CLASSES: [(&str, Holds); 12] = [
    ("alnum", |byte| byte.is_ascii_alphanumeric()),
    ("alpha", |byte| byte.is_ascii_alphabetic()),
    ("blank", |byte| matches!(byte, b' ' | b'\t')),
    ("cntrl", |byte| byte.is_ascii_control()),
    ("digit", |byte| byte.is_ascii_digit()),
    ("graph", |byte| byte.is_ascii_graphic()),
    ("lower", |byte| byte.is_ascii_lowercase()),
    ("print", |byte| matches!(byte, b' '..=b'~')),
    ("punct", |byte| byte.is_ascii_punctuation()),
    ("space", |byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')),
    ("upper", |byte| byte.is_ascii_uppercase()),
    ("xdigit", |byte| byte.is_ascii_hexdigit()),
];

pub(super) fn class_names() -> String {
    let names: Vec<String> = CLASSES
        .iter()
        .map(|(name, _)| format!("`[:{name}:]`"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_brackets_is_found() {
        let cases = [
            ("[ab]c", Some(4)),
            ("[]a]", Some(4)),
            ("[!]a]", Some(5)),
            ("[[:digit:]{]", Some(12)),
            ("[a\\]{]", Some(6)),
            ("[a", None),
            ("a", None),
        ];
        for (text, expected) in cases {
            assert_eq!(class_bytes(text), expected, "{text}");
        }
    }
}
