//! Command lines without the secrets that people put there.
//!
//! What looks like a secret is replaced; rather one word too many than one too few. What it is judged by
//! is the name before a value (`--password`, `token=`), the user part of an address, and the shape of
//! well-known keys.

/// What stands in a secret's place.
const REDACTED: &str = "***";

/// Beginnings by which well-known keys are told.
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

/// The arguments of a command in one line, without what looks like secrets.
pub(super) fn command_line(arguments: &[&str]) -> String {
    let program = arguments
        .first()
        .map(|word| program(word))
        .unwrap_or_default();
    let mut shown: Vec<String> = Vec::with_capacity(arguments.len());
    let mut is_secret = false;
    for (place, word) in arguments.iter().enumerate() {
        let follows = std::mem::replace(&mut is_secret, false);
        if follows && !word.starts_with('-') {
            shown.push(REDACTED.to_owned());
            continue;
        }
        is_secret = place > 0 && announces(program, word);
        shown.push(argument(program, word));
    }
    shown.join(" ")
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Whether the next argument is a secret.
fn announces(program: &str, word: &str) -> bool {
    match word.strip_prefix('-') {
        Some("p") => program == "sshpass",
        Some("a") => program == "redis-cli",
        Some("u" | "-user") => program == "curl",
        Some(flag) => flag.chars().all(is_name) && is_secret_name(flag.trim_start_matches('-')),
        None => false,
    }
}

/// One argument: a value that has a secret's name before it ends with the argument, whatever is in it.
fn argument(program: &str, word: &str) -> String {
    let is_short =
        program.starts_with("mysql") || program.starts_with("mariadb") || program == "sshpass";
    if is_short && word.len() > 2 && word.starts_with("-p") {
        return format!("-p{REDACTED}");
    }
    let flag = word.trim_start_matches('-');
    if let Some((name, value)) = flag.split_once('=')
        && !value.is_empty()
        && name.chars().all(is_name)
        && is_secret_name(name)
    {
        let dashes = &word[..word.len() - flag.len()];
        return format!("{dashes}{name}={REDACTED}");
    }
    text(word)
}

/// Any text: a script, an address, the title that a process gave itself.
fn text(word: &str) -> String {
    let mut shown = String::with_capacity(word.len());
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        if let Some((kept, after)) = named(rest).or_else(|| address(rest)) {
            shown.push_str(&rest[..kept]);
            shown.push_str(REDACTED);
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
    if !is_secret_name(rest[..length].trim_start_matches('-')) {
        return None;
    }
    let is_flag = rest.starts_with('-');
    let after = rest[length..].trim_start_matches(['"', '\'']);
    let value = match after.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches([' ', '=']),
        // `--password secret` within a script.
        None if is_flag => after.strip_prefix(' ')?.trim_start_matches(' '),
        None => return None,
    };
    if value.starts_with("//") {
        return None;
    }
    let scheme = ["Bearer ", "Basic ", "Token ", "bearer ", "basic ", "token "];
    let value = scheme
        .iter()
        .find_map(|word| value.strip_prefix(word))
        .unwrap_or(value);
    let (value, length) = match value.chars().next()? {
        quote @ ('"' | '\'') => (
            &value[1..],
            value[1..].find(quote).unwrap_or(value.len() - 1),
        ),
        '-' if is_flag => return None,
        _ => (value, value.find(ends_value).unwrap_or(value.len())),
    };
    (length > 0).then(|| (rest.len() - value.len(), &value[length..]))
}

fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '&' | ';' | ',' | '"' | '\'' | '`' | ')' | '}' | '|' | '<' | '>'
        )
}

/// `://user:password@host`, or `://token@host`.
fn address(rest: &str) -> Option<(usize, &str)> {
    let inner = rest.strip_prefix("://")?;
    let end = inner.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\''));
    let authority = &inner[..end.unwrap_or(inner.len())];
    let at = authority.rfind('@')?;
    let begin = match authority[..at].find(':') {
        Some(colon) => colon + 1,
        None => 0,
    };
    (begin < at).then(|| (3 + begin, &inner[at..]))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.')
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
    const LAST: [&str; 4] = ["key", "auth", "cookie", "sid"];
    let name = name.to_ascii_lowercase();
    let joined: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
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
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_and_nothing_else_is() {
        for (arguments, shown) in [
            (
                &["node", "conference-server.js", "--port=3000"][..],
                "node conference-server.js --port=3000",
            ),
            (
                &["x", "--password=my secret; all of it"],
                "x --password=***",
            ),
            (&["x", "--password", "my secret"], "x --password ***"),
            (&["x", "--password", "--verbose"], "x --password --verbose"),
            (&["x", "-token", "abc", "file"], "x -token *** file"),
            (&["x", "DEEPGRAM_API_KEY=abc"], "x DEEPGRAM_API_KEY=***"),
            (
                &["redis-server", "--requirepass", "abc"],
                "redis-server --requirepass ***",
            ),
            (&["redis-cli", "-a", "abc"], "redis-cli -a ***"),
            (
                &["mysqldump", "-pabc", "-u", "root"],
                "mysqldump -p*** -u root",
            ),
            (&["/usr/bin/mysql", "-p", "db"], "/usr/bin/mysql -p db"),
            (
                &["sshpass", "-p", "abc", "ssh", "x"],
                "sshpass -p *** ssh x",
            ),
            (&["ssh", "-p", "2222", "x"], "ssh -p 2222 x"),
            (
                &["curl", "-u", "me:abc", "https://x.example"],
                "curl -u *** https://x.example",
            ),
            (
                &["curl", "-H", "Authorization: Bearer abc.def"],
                "curl -H Authorization: Bearer ***",
            ),
            (&["curl", "-H", "X-Api-Key: abc"], "curl -H X-Api-Key: ***"),
            (
                &["app", "postgres://me:a%40b@db.example/x"],
                "app postgres://me:***@db.example/x",
            ),
            (
                &["app", "https://abc@git.example/x.git"],
                "app https://***@git.example/x.git",
            ),
            (
                &["app", "http://x.example/?a=1&token=abc&b=2"],
                "app http://x.example/?a=1&token=***&b=2",
            ),
            (
                &["app", "--url=amqp://me:abc@mq.example"],
                "app --url=amqp://me:***@mq.example",
            ),
            (
                &["sh", "-c", "PGPASSWORD='a b' psql -c x"],
                "sh -c PGPASSWORD=***",
            ),
            (
                &["sh", "-c", "export PGPASSWORD='a b'; y"],
                "sh -c export PGPASSWORD='***'; y",
            ),
            (&["x", "--password=abc", "file"], "x --password=*** file"),
            (
                &["sh", "-c", "tool --secret abc --more"],
                "sh -c tool --secret *** --more",
            ),
            (
                &["app", r#"{"password":"abc","a":"b"}"#],
                r#"app {"password":"***","a":"b"}"#,
            ),
            (&["app", "sk-test-abcdef123"], "app ***"),
            (
                &["app", "--model", "--x=sk-test-abcdef123"],
                "app --model --x=***",
            ),
            (&["app", "0123456789abcdef0123456789abcdef"], "app ***"),
            (&["app", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.abc"], "app ***"),
            (
                &["disk-usage", "task-runner-number-one"],
                "disk-usage task-runner-number-one",
            ),
            (
                &["nginx: master process /usr/sbin/nginx -g daemon on;"],
                "nginx: master process /usr/sbin/nginx -g daemon on;",
            ),
            (
                &["/opt/keys/run", "monkey", "a=b"],
                "/opt/keys/run monkey a=b",
            ),
            (&["größe", "--paßwort", "é=ü"], "größe --paßwort é=ü"),
            (&["app", "--token="], "app --token="),
            (&["app", "--token"], "app --token"),
        ] {
            assert_eq!(command_line(arguments), shown, "{arguments:?}");
        }
        assert_eq!(command_line(&[]), "");
    }

    #[test]
    fn any_text_ends() {
        for text in [
            "",
            "=",
            "://",
            "://@",
            "token",
            "token=",
            "token=\"",
            "password:",
            "\"'\"'",
            "-",
            "é\"=:",
            "token: \"é",
        ] {
            drop(command_line(&["x", text]));
            drop(command_line(&[text, text]));
        }
    }
}
