//! Redacts secrets in URLs: the user part, and tokens in the path as webhooks have them.

use super::{REDACTED, is_key};

/// Behind these components of a path, the rest of it is a secret.
const BEFORE_SECRETS: [&str; 14] = [
    "hook",
    "hooks",
    "webhook",
    "webhooks",
    "webhookb2",
    "incoming-webhook",
    "token",
    "key",
    "secret",
    "apikey",
    "api_key",
    "access_token",
    "workflows",
    "triggers",
];

/// Servers on which every path is a secret, and components of paths that are ones there only.
const SECRET_HOSTS: [(&str, &str); 5] = [
    ("hooks.slack.com", "services"),
    ("hooks.slack-gov.com", "services"),
    ("hc-ping.com", ""),
    ("hchk.io", ""),
    ("ntfy.sh", ""),
];

/// Components that are longer and hold letters of both cases and digits are tokens.
const TOKEN_MIN_BYTES: usize = 20;

/// `://user:password@host/path`, as far as the path, without secrets; and what follows it.
pub(super) fn address(rest: &str) -> Option<(String, &str)> {
    let inner = rest.strip_prefix("://")?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '?' | '#' | '"' | '\'' | '`' | '<' | '>');
    let end = inner.find(ends).unwrap_or(inner.len());
    let (whole, after) = inner.split_at(end);
    let (authority, target) = whole.split_at(whole.find('/').unwrap_or(whole.len()));
    let (user, host) = match authority.rsplit_once('@') {
        None => (String::new(), authority),
        Some((user, host)) => {
            let shown = match user.split_once(':') {
                Some((name, "")) => format!("{name}:@"),
                Some((name, _)) => format!("{name}:{REDACTED}@"),
                None if user.is_empty() => "@".to_owned(),
                None => format!("{REDACTED}@"),
            };
            (shown, host)
        }
    };
    Some((format!("://{user}{host}{}", path(host, target)), after))
}

/// The path of an address on `host`, without tokens.
pub(crate) fn path(host: &str, path: &str) -> String {
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    let secret_behind = |name: &str| {
        BEFORE_SECRETS.contains(&name) || SECRET_HOSTS.contains(&(host.as_str(), name))
    };
    let mut shown: Vec<String> = Vec::new();
    let mut rest = path.split('/').peekable();
    while let Some(name) = rest.next() {
        shown.push(component(name));
        let has_more = rest.clone().any(|name| !name.is_empty());
        if has_more && secret_behind(&name.to_ascii_lowercase()) {
            shown.push(REDACTED.to_owned());
            break;
        }
    }
    shown.join("/")
}

/// One component: Telegram's `bot123:token`, a key, or what is long and looks drawn at random.
fn component(name: &str) -> String {
    let is_bot = name.strip_prefix("bot").is_some_and(|rest| {
        rest.split_once([':', '%'])
            .is_some_and(|(id, token)| !token.is_empty() && id.chars().all(|c| c.is_ascii_digit()))
    });
    if is_bot {
        return format!("bot{REDACTED}");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let is_random = name.len() >= TOKEN_MIN_BYTES
        && name.chars().all(plain)
        && name.contains(|c: char| c.is_ascii_digit())
        && name.contains(|c: char| c.is_ascii_lowercase())
        && name.contains(|c: char| c.is_ascii_uppercase());
    if is_random || is_key(name) {
        REDACTED.to_owned()
    } else {
        name.to_owned()
    }
}
