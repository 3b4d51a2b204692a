//! Redaction: command lines, addresses and messages without the secrets that people put there.
//!
//! What looks like a secret is replaced by `***`; rather one word too many than one too few. A secret is
//! recognised by the option of a known program before it ([`command_line`]), by the name before a value
//! (`--password`, `token=`), by its place in an address, and by the shape of well-known keys.

mod command;
mod options;
mod url;

pub(crate) use command::command_line;
pub(crate) use url::path as url_path;

/// What is in a secret's place.
const REDACTED: &str = "***";

/// Beginnings of well-known keys.
const KEY_SHAPES: [&str; 18] = [
    "sk-",
    "sk_",
    "rk_",
    "pk_live_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "AIza",
    "hf_",
    "SG.",
    "eyJ",
];

/// A well-known key is at least this long.
const KEY_MIN_BYTES: usize = 10;

/// Hexadecimal digits in a row, letters among them, are a key from here on.
const HEX_MIN_BYTES: usize = 32;

/// Any text: a script, an address, a message, the title that a process gave itself.
pub(crate) fn text(word: &str) -> String {
    let word = &command::script(word);
    let mut shown = String::with_capacity(word.len());
    let mut rest = word.as_str();
    while let Some(first) = rest.chars().next() {
        if let Some((kept, after)) = named(rest) {
            shown.push_str(&rest[..kept]);
            shown.push_str(REDACTED);
            rest = after;
            continue;
        }
        if let Some((address, after)) = url::address(rest) {
            shown.push_str(&address);
            rest = after;
            continue;
        }
        // Words are looked at from their beginning only.
        let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if length == 0 {
            shown.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (name, after) = rest.split_at(length);
        shown.push_str(if is_key(name) { REDACTED } else { name });
        rest = after;
    }
    shown
}

/// A value with a secret's name before it: where the value begins, and what follows it.
fn named(rest: &str) -> Option<(usize, &str)> {
    let length = rest.find(|c| !is_name(c)).filter(|length| *length > 0)?;
    let name = rest[..length].trim_start_matches('-');
    if !is_secret_name(name) {
        return None;
    }
    let is_flag = rest.starts_with('-');
    let after = rest[length..].trim_start_matches(['"', '\'']);
    let is_header = after.starts_with(':') && is_header_name(name);
    let value = match after.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches([' ', '=']),
        // `--password secret` within a script.
        None if is_flag => after.strip_prefix(' ')?.trim_start_matches(' '),
        None => return None,
    };
    if value.starts_with("//") {
        return None;
    }
    let value = without_scheme(value);
    let (value, length) = match value.chars().next()? {
        quote @ ('"' | '\'') => (
            &value[1..],
            value[1..].find(quote).unwrap_or(value.len() - 1),
        ),
        '-' if is_flag => return None,
        // A header goes on to the end of its argument or line: `Cookie: a=b; c=d`.
        _ if is_header => (value, value.find(['"', '\'', '\n']).unwrap_or(value.len())),
        _ => (value, value.find(ends_value).unwrap_or(value.len())),
    };
    (length > 0).then(|| (rest.len() - value.len(), &value[length..]))
}

/// Behind the word that says how a header's secret is to be read.
fn without_scheme(value: &str) -> &str {
    const SCHEMES: [&str; 6] = ["bearer", "basic", "token", "digest", "negotiate", "apikey"];
    match value.split_once(' ') {
        Some((first, rest)) if SCHEMES.contains(&first.to_ascii_lowercase().as_str()) => rest,
        _ => value,
    }
}

fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '&' | ';' | ',' | '"' | '\'' | '`' | ')' | '}' | '|' | '<' | '>'
        )
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Whether the whole rest of a header of this name is a secret.
fn is_header_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("authorization") || name.ends_with("cookie")
}

/// Whether a value of this name is a secret: `DEEPGRAM_API_KEY`, `requirepass`, `auth-token`.
fn is_secret_name(name: &str) -> bool {
    const ANYWHERE: [&str; 9] = [
        "pass",
        "secret",
        "token",
        "apikey",
        "credential",
        "pwd",
        "authorization",
        "bearer",
        "privatekey",
    ];
    const LAST: [&str; 11] = [
        "key",
        "auth",
        "masterauth",
        "cookie",
        "sid",
        "creds",
        "psk",
        "jwt",
        "sig",
        "signature",
        "pin",
    ];
    /// Words that hold one of those and are none.
    const HARMLESS: [&str; 7] = [
        "tokeniz",
        "maxtokens",
        "bypass",
        "passive",
        "passenger",
        "passthrough",
        "compass",
    ];
    let name = name.to_ascii_lowercase();
    let joined: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let joined = HARMLESS
        .iter()
        .fold(joined, |joined, word| joined.replace(word, ""));
    ANYWHERE.iter().any(|word| joined.contains(word))
        || name
            .rsplit(['_', '-', '.'])
            .next()
            .is_some_and(|last| LAST.contains(&last))
}

/// Whether a word has the shape of a key.
fn is_key(word: &str) -> bool {
    let word = word.trim_start_matches(['-', '.']);
    let known =
        word.len() >= KEY_MIN_BYTES && KEY_SHAPES.iter().any(|shape| word.starts_with(shape));
    let hex = word
        .split(|c: char| !c.is_ascii_hexdigit())
        .any(|run| run.len() >= HEX_MIN_BYTES && run.contains(|c: char| c.is_ascii_digit()));
    known || hex
}

#[cfg(test)]
mod tests;
