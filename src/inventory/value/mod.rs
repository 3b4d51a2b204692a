//! Values that are more than text: durations, sizes, words, addresses, URLs and patterns.
//!
//! Each function takes what is in the file and gives the value, or why it can't be one. What may
//! hold a secret is not quoted.

mod amount;

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::error::Rule;
use super::glob::{FileGlob, GlobError};
use super::prod_words::{Env, ProdWords, Tag, plain_word};
use super::url::{HttpUrl, ParseUrlError};
use super::{JsonPath, WireCompression};
use crate::name::{
    AccountName, PackageName, ParseUnitError, UnitName, did_you_mean, escape, nearest,
};

pub(super) use amount::{duration, size_bytes};

/// Why a value can't be taken, and how to mend it; the caller adds the key.
pub(super) struct Refusal {
    why: String,
    hint: Cow<'static, str>,
}

impl Refusal {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            why: why.into(),
            hint: hint.into(),
        }
    }

    pub(super) fn at_key(self, key: &'static str) -> Rule {
        Rule::Value {
            key,
            why: self.why,
            hint: self.hint,
        }
    }
}

pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", escape(text.as_bytes()))
}

/// One of a few words.
///
/// # Errors
///
/// The refusal names all of them, and the one that was probably meant.
pub(super) fn one_of<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Refusal> {
    if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*choice);
    }
    let names: Vec<String> = choices
        .iter()
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    let expected = match names.as_slice() {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        names => names.concat(),
    };
    let names = choices.iter().map(|(name, _)| *name);
    let nearest = nearest(&text.trim().to_ascii_lowercase(), names, |name| name);
    let (found, hint) = match nearest {
        // What is almost one of the words is no secret.
        Some(nearest) => (
            format!(", found {}", quoted(text)),
            Cow::from(did_you_mean(nearest)),
        ),
        None if choices.len() == 1 => (String::new(), "Write that, or remove the key.".into()),
        None => (
            String::new(),
            "Write one of them, or remove the key.".into(),
        ),
    };
    Err(Refusal::new(format!("expected {expected}{found}"), hint))
}

/// How file contents come over the wire.
pub(super) fn compression(text: &str) -> Result<WireCompression, Refusal> {
    one_of(text, &WireCompression::ALL.map(|c| (c.as_str(), c)))
}

/// The `env` of a host.
pub(super) fn env(text: &str, prod: &ProdWords) -> Result<Env, Refusal> {
    Env::parse(text, prod).map_err(|error| Refusal::new(error.to_string(), error.hint()))
}

/// One of the `tags` of a host.
pub(super) fn tag(text: &str, prod: &ProdWords) -> Result<Tag, Refusal> {
    Tag::parse(text, prod).map_err(|error| Refusal::new(error.to_string(), error.hint()))
}

/// One more word that means prod.
pub(super) fn prod_word(text: &str) -> Result<String, Refusal> {
    plain_word(text).map_err(|error| Refusal::new(error.to_string(), error.hint()))
}

/// Text that is handed to another program as one argument: an account, a jump host.
pub(super) fn argument(text: &str) -> Result<String, Refusal> {
    let fine = !text.is_empty()
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    if fine {
        Ok(text.to_owned())
    } else {
        Err(Refusal::new(
            format!("{} can't be one", quoted(text)),
            "It is a single word that does not begin with `-`.",
        ))
    }
}

/// An account of a host.
pub(super) fn account(text: &str) -> Result<AccountName, Refusal> {
    text.parse().map_err(|_| {
        Refusal::new(
            format!("{} can't be one", quoted(text)),
            "An account is letters, digits, `.`, `_`, `-`, `+` or `@`, beginning with a letter, a digit or `_`.",
        )
    })
}

/// A systemd unit, with its type.
pub(super) fn unit(text: &str) -> Result<UnitName, Refusal> {
    text.parse().map_err(|error: ParseUnitError| {
        let hint = match &error {
            ParseUnitError::NoType { .. } => did_you_mean(format!("{}.service", escape(text.as_bytes()))).into(),
            ParseUnitError::Template { .. } => {
                "Name an instance of it, as in `worker@1.service`.".into()
            }
            ParseUnitError::Characters { .. } => Cow::from(
                "Write it as `systemctl list-units` prints it, as in `app.service`; patterns can't be used.",
            ),
        };
        Refusal::new(error.to_string(), hint)
    })
}

/// A package of the host's distribution.
pub(super) fn package(text: &str) -> Result<PackageName, Refusal> {
    text.parse()
        .map_err(|error: crate::name::ParsePackageError| {
            Refusal::new(
                error.to_string(),
                "Write its bare name, as in `nodejs`, without a version.",
            )
        })
}

/// A place in a JSON document.
pub(super) fn json_path(text: &str) -> Result<JsonPath, Refusal> {
    text.parse().map_err(|error: super::ParseJsonPathError| {
        Refusal::new(
            error.to_string(),
            "Join keys, and the numbers of entries of a list, by dots, as in `data.0.id`.",
        )
    })
}

/// Text without NUL, not empty.
pub(super) fn some_text(text: &str) -> Result<String, Refusal> {
    if text.is_empty() || text.contains('\0') {
        Err(Refusal::new(
            "it is empty or holds a NUL character",
            "Write what is meant, or remove the key.",
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// A database's name; what libpq would take for connection settings is refused.
pub(super) fn database(text: &str) -> Result<String, Refusal> {
    if text.is_empty()
        || text.starts_with('-')
        || text.contains(['=', '\0'])
        || text.contains("://")
    {
        Err(Refusal::new(
            "it is not the name of a database",
            "Write the bare name; server, port, user and password have keys of their own.",
        ))
    } else {
        Ok(text.to_owned())
    }
}

/// The name of a captured file.
pub(super) fn file_name(text: &str) -> Result<String, Refusal> {
    text.parse::<crate::name::SourceName>()
        .map(|name| name.to_string())
        .map_err(|_| {
            Refusal::new(
                format!("{} can't be the name of a captured file", quoted(text)),
                "Use letters, digits, `.`, `_` and `-`, beginning with a letter or digit.",
            )
        })
}

/// A host name or an IP address, and nothing else.
pub(super) fn address(text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    if text.contains('@') {
        return Err(Refusal::new(
            "it holds a user before `@`",
            "Write the user under `user`.",
        ));
    }
    if text.starts_with('[') {
        return Err(Refusal::new(
            format!("{} has brackets", quoted(text)),
            "Write an IPv6 address without brackets, and the port under `port`.",
        ));
    }
    if ip(text).is_some() || is_host_name(text) {
        return Ok(text.to_owned());
    }
    if let Some((before, port)) = text.rsplit_once(':') {
        let is_port = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
        if is_port && (ip(before).is_some() || is_host_name(before)) {
            return Err(Refusal::new(
                format!("{} holds a port", quoted(text)),
                "Write the port under `port`.",
            ));
        }
    }
    Err(Refusal::new(
        format!("{} is neither a host name nor an IP address", quoted(text)),
        "Write a name such as `gw.example.org`, or an address such as `203.0.113.26` or `2001:db8::1`.",
    ))
}

/// One spelling for all that name the same address.
pub(super) fn same_address(text: &str) -> String {
    match ip(text) {
        Some(ip) => ip.to_canonical().to_string(),
        None => text.trim_end_matches('.').to_ascii_lowercase(),
    }
}

/// An IPv6 address may name its interface: `fe80::1%eth0`.
fn ip(text: &str) -> Option<IpAddr> {
    match text.split_once('%') {
        None => text.parse().ok(),
        Some((address, zone)) => {
            let fine = !zone.is_empty() && zone.chars().all(|c| c.is_ascii_alphanumeric());
            let address: Ipv6Addr = address.parse().ok()?;
            fine.then_some(IpAddr::V6(address))
        }
    }
}

/// A last label that is a number would be read as an IPv4 address in one of its odd spellings.
pub(super) fn is_host_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.chars().all(|c| c.is_ascii_digit())
        || last
            .strip_prefix("0x")
            .or_else(|| last.strip_prefix("0X"))
            .is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    text.len() <= 253
        && !is_number
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        })
}

/// An HTTP URL without user and password.
pub(super) fn url(text: &str) -> Result<HttpUrl, Refusal> {
    text.parse().map_err(|error: ParseUrlError| {
        let hint = match error {
            ParseUrlError::User => "Send it under `headers`, as in `Authorization: {env: NAME}`.",
            ParseUrlError::Character => {
                "Write it as `%` and two hexadecimal digits, as in `%7B` for `{`."
            }
            ParseUrlError::Blank
            | ParseUrlError::Scheme
            | ParseUrlError::Bracket
            | ParseUrlError::Host
            | ParseUrlError::Port => {
                "Write it as in `http://127.0.0.1:4000/status`, as seen from the host."
            }
        };
        Refusal::new(error.to_string(), hint)
    })
}

/// Headers that say how the request itself is sent, that ask for what fleet does not take, or that
/// make another method of `GET` at servers which honour them.
const OWN_HEADERS: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];

/// An HTTP header's name, by RFC 9110 §5.1.
pub(super) fn header_name(text: &str) -> Result<String, Refusal> {
    let fine = !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
    if !fine {
        return Err(Refusal::new(
            format!("{} is not a header's name", quoted(text)),
            "Write it as in `Accept` or `X-Api-Key`.",
        ));
    }
    if OWN_HEADERS.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(Refusal::new(
            format!("{} would make another request of it", quoted(text)),
            "Remove it: fleet sends a plain GET, and nothing that changes what it means.",
        ));
    }
    Ok(text.to_owned())
}

/// An absolute pattern of file names.
pub(super) fn file_glob(text: &str) -> Result<String, Refusal> {
    FileGlob::new(text)
        .map(|_| text.to_owned())
        .map_err(|error| match error {
            GlobError::Path if text.contains(['\n', '\r']) => Refusal::new(
                format!("{} holds a line break", quoted(text)),
                "Write a list with one pattern an entry, as in `[/var/log/a.log, /etc/b.conf]`.",
            ),
            GlobError::Path => Refusal::new(
                format!("{} is not an absolute path or pattern", quoted(text)),
                "Write it as in `/var/log/gw-smoke-*.log`, without `.` and `..`.",
            ),
            GlobError::Pattern(why) => Refusal::new(
                format!("{} is not a pattern: {why}", quoted(text)),
                why.hint(),
            ),
            GlobError::Brace(brace) => Refusal::new(
                format!("{} is not a pattern: {error}", quoted(text)),
                format!("Write alternatives as in `{{one,two}}`, or `\\{brace}` for the character itself."),
            ),
            GlobError::TooMany => Refusal::new(
                format!("{} can't be taken: {error}", quoted(text)),
                "Write fewer alternatives, or use `*`.",
            ),
        })
}

/// A regular expression over one line.
pub(super) fn line_regex(text: &str) -> Result<String, Refusal> {
    super::pattern::line(text)
        .map(|_| text.to_owned())
        .map_err(|error| {
            let message = error.to_string();
            let last = message.lines().last().unwrap_or_default();
            let why = last.strip_prefix("error: ").unwrap_or(last);
            Refusal::new(
                format!("{} is not a regular expression: {why}", quoted(text)),
                "The syntax is that of the Rust crate regex; put the expression in single quotes.",
            )
        })
}

/// Five cron fields.
pub(super) fn schedule(text: &str) -> Result<String, Refusal> {
    croner::parser::CronParser::builder()
        .seconds(croner::parser::Seconds::Disallowed)
        .year(croner::parser::Year::Disallowed)
        .build()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|error| {
            let why = error.to_string();
            Refusal::new(
                format!(
                    "{} is not a schedule: {}",
                    quoted(text),
                    why.trim_end_matches('.')
                ),
                "Write minute, hour, day of month, month and day of week, as in `*/15 * * * *`.",
            )
        })
}
