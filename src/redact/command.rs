//! Redacts secrets in the arguments of a command, and of the commands in a script.

use std::ops::Range;

use super::{REDACTED, is_name, is_secret_name, options, text};

/// What of an argument is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Hide {
    Nothing,
    /// This part of it.
    Part(Range<usize>),
}

/// The arguments of a command in one line, without what looks like secrets.
pub(crate) fn command_line(arguments: &[&str]) -> String {
    let mut reader = Reader::default();
    let shown: Vec<String> = arguments
        .iter()
        .map(|word| match reader.next(word) {
            Hide::Part(part) => replaced(word, part),
            Hide::Nothing => argument(word),
        })
        .collect();
    shown.join(" ")
}

fn replaced(word: &str, part: Range<usize>) -> String {
    format!("{}{REDACTED}{}", &word[..part.start], &word[part.end..])
}

/// One argument: a value that has a secret's name before it ends with the argument, whatever is in it.
fn argument(word: &str) -> String {
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

/// A script without the secrets that its commands take as options; text without blanks stays as it is.
pub(super) fn script(script: &str) -> String {
    if !script.contains(char::is_whitespace) {
        return script.to_owned();
    }
    let mut shown = String::with_capacity(script.len());
    let mut copied = 0;
    let mut reader = Reader::default();
    for piece in pieces(script) {
        match piece {
            Piece::End => reader = Reader::default(),
            Piece::Word(span) => {
                let raw = &script[span.clone()];
                // A word that begins with a quote and ends with it is its inside.
                let quote = raw.chars().next().filter(|c| matches!(c, '"' | '\''));
                let is_quoted = raw.len() > 1 && quote.is_some_and(|quote| raw.ends_with(quote));
                let inside = if is_quoted {
                    span.start + 1..span.end - 1
                } else {
                    span
                };
                if let Hide::Part(part) = reader.next(&script[inside.clone()]) {
                    shown.push_str(&script[copied..inside.start + part.start]);
                    shown.push_str(REDACTED);
                    copied = inside.start + part.end;
                }
            }
        }
    }
    shown.push_str(&script[copied..]);
    shown
}

/// A piece of a script.
enum Piece {
    Word(Range<usize>),
    /// What comes next is another command.
    End,
}

/// Takes a script apart as a shell does, as far as words and commands go.
fn pieces(script: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut begin: Option<usize> = None;
    let mut quote: Option<char> = None;
    let mut escaped = false;
    for (at, c) in script.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (quote, c) {
            (None | Some('"'), '\\') => {
                escaped = true;
                begin.get_or_insert(at);
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => {
                quote = Some(c);
                begin.get_or_insert(at);
            }
            (None, c) if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')' | '`') => {
                pieces.extend(begin.take().map(|begin| Piece::Word(begin..at)));
                if c == '\n' || !c.is_whitespace() {
                    pieces.push(Piece::End);
                }
            }
            (None, _) => {
                begin.get_or_insert(at);
            }
        }
    }
    pieces.extend(begin.map(|begin| Piece::Word(begin..script.len())));
    pieces
}

/// What the next argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Expected {
    #[default]
    Anything,
    /// The value of an option whose name says that it is a secret; it may be missing.
    Named,
    /// The value of an option that always has one.
    Secret,
    /// `NAME:PASSWORD` or `NAME%PASSWORD`.
    User,
    /// A secret unless it is a port or a path.
    Unknown,
    /// The value of a wrapper's option.
    Value,
}

/// Reads the arguments of one command after the other.
#[derive(Debug, Default)]
struct Reader {
    program: Option<String>,
    expected: Expected,
    /// Arguments that were no options.
    positional: usize,
    /// Of a program that runs another one: how many arguments come before that.
    before_program: usize,
    is_login: bool,
    /// The first argument of `rabbitmqctl`, and whether `htpasswd` takes a password.
    takes_password: bool,
}

impl Reader {
    fn next(&mut self, word: &str) -> Hide {
        let whole = Hide::Part(0..word.len());
        match std::mem::take(&mut self.expected) {
            Expected::Secret if !word.is_empty() => return whole,
            Expected::Named if !word.is_empty() && !word.starts_with('-') => return whole,
            Expected::User if !word.starts_with('-') => return user(word, 0),
            Expected::Unknown if !is_port_or_path(word) => return whole,
            Expected::Value => return Hide::Nothing,
            Expected::Anything
            | Expected::Named
            | Expected::Secret
            | Expected::User
            | Expected::Unknown => {}
        }
        let Some(program) = self.program.clone() else {
            self.begin(word);
            return Hide::Nothing;
        };
        if let Some(option) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            return self.long(&program, word, option);
        }
        match word.strip_prefix('-') {
            Some(letters) if !letters.is_empty() => self.short(&program, word, letters),
            _ => self.plain(&program, word),
        }
    }

    /// The program itself, or the name of a variable before it.
    fn begin(&mut self, word: &str) {
        let is_variable = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
        if is_variable {
            return;
        }
        let program = word.rsplit('/').next().unwrap_or(word);
        self.before_program = options::wrapper(program).map_or(0, |(_, count)| count);
        self.positional = 0;
        self.program = Some(program.to_owned());
    }

    /// `--name` or `--name=value`.
    fn long(&mut self, program: &str, word: &str, option: &str) -> Hide {
        let (name, value) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (option, None),
        };
        let known = options::of(program).long.contains(&name);
        let is_user = matches!(name, "user" | "proxy-user" | "http-user");
        match value {
            Some("") => Hide::Nothing,
            Some(value) if known => Hide::Part(word.len() - value.len()..word.len()),
            Some(value) if is_user => user(word, word.len() - value.len()),
            Some(_) => Hide::Nothing,
            None => {
                self.expected = if known {
                    Expected::Secret
                } else if is_user {
                    Expected::User
                } else if name.chars().all(is_name) && is_secret_name(name) {
                    Expected::Named
                } else {
                    Expected::Anything
                };
                Hide::Nothing
            }
        }
    }

    /// `-x`, `-xVALUE`, several letters, or one of the long options that some programs write so.
    fn short(&mut self, program: &str, word: &str, letters: &str) -> Hide {
        let known = options::of(program);
        let wrapper = options::wrapper(program);
        let is_login = self.is_login && wrapper.is_none();
        // openssl has no letters, but words: `-k`, `-pbkdf2`.
        let letters_read = if program == "openssl" && letters.len() > 1 {
            ""
        } else {
            letters
        };
        for (at, letter) in letters_read.char_indices() {
            let value_at = 1 + at + letter.len_utf8();
            let value = &word[value_at..];
            let is_secret = known.secret.contains(letter) || (is_login && letter == 'p');
            if is_secret {
                // `-p=secret`
                let value_at = value_at + usize::from(is_login && value.starts_with('='));
                if value.is_empty() {
                    self.expected = Expected::Secret;
                    return Hide::Nothing;
                }
                return Hide::Part(value_at..word.len());
            }
            if known.attached.contains(letter) {
                return if value.is_empty() {
                    Hide::Nothing
                } else {
                    Hide::Part(value_at..word.len())
                };
            }
            if letter == 'U' && value.contains('%') {
                return user(word, value_at);
            }
            if let Some((valued, _)) = wrapper
                && valued.contains(letter)
            {
                if value.is_empty() {
                    self.expected = Expected::Value;
                }
                return Hide::Nothing;
            }
            if known.valued.contains(letter) {
                if value.is_empty() && letter == 'U' {
                    self.expected = Expected::User;
                }
                return Hide::Nothing;
            }
            if at == 0 && known.secret.is_empty() && known.attached.is_empty() {
                return self.first_letter(program, word, letters);
            }
        }
        if program == "rar" && letters.len() > 2 && letters.starts_with("hp") {
            return Hide::Part(3..word.len());
        }
        if letters.chars().all(is_name) && is_secret_name(letters) {
            self.expected = Expected::Named;
        }
        Hide::Nothing
    }

    /// An option of a program of which no options are known.
    fn first_letter(&mut self, program: &str, word: &str, letters: &str) -> Hide {
        if program == "htpasswd" {
            self.takes_password |= letters.contains('b');
            // To standard output: no file is named.
            self.positional += usize::from(letters.contains('n'));
        }
        let is_docker = matches!(program, "docker" | "podman" | "nerdctl" | "docker-compose");
        match letters {
            "u" if !is_docker => self.expected = Expected::User,
            "U" => self.expected = Expected::User,
            "p" | "P" if options::is_unknown(program) => self.expected = Expected::Unknown,
            _ if letters.chars().all(is_name) && is_secret_name(letters) => {
                self.expected = Expected::Named;
            }
            _ if letters.starts_with('u') && !is_docker && letters.contains(':') => {
                return user(word, 2);
            }
            _ => {}
        }
        Hide::Nothing
    }

    /// An argument that is no option.
    fn plain(&mut self, program: &str, word: &str) -> Hide {
        if word == "-" || word == "--" {
            return Hide::Nothing;
        }
        self.positional += 1;
        if options::wrapper(program).is_some() {
            if self.positional > self.before_program {
                self.begin(word);
            }
            return Hide::Nothing;
        }
        let runs_remotely = matches!(
            program,
            "ssh" | "scp" | "sftp" | "mosh" | "rsync" | "autossh"
        );
        self.is_login |= word == "login" && !runs_remotely;
        if is_before_secret(program, word) {
            self.expected = Expected::Named;
        }
        if matches!(program, "xfreerdp" | "wlfreerdp") {
            let named = ["/p:", "/gp:", "/pth:"]
                .into_iter()
                .find(|p| word.starts_with(p));
            return named.map_or(Hide::Nothing, |p| Hide::Part(p.len()..word.len()));
        }
        if program == "rabbitmqctl" && self.positional == 1 {
            self.takes_password =
                matches!(word, "add_user" | "change_password" | "authenticate_user");
        }
        let Some(from) = options::of(program).positional else {
            return Hide::Nothing;
        };
        let takes = match program {
            "htpasswd" | "rabbitmqctl" => self.takes_password,
            _ => true,
        };
        if !takes || self.positional != from {
            return Hide::Nothing;
        }
        if from == 1 {
            // Oracle's `user/password@database`.
            return match word.split_once('/') {
                Some((user, rest)) if !rest.is_empty() && !user.is_empty() => {
                    let begin = user.len() + 1;
                    let end = rest.rfind('@').map_or(word.len(), |at| begin + at);
                    Hide::Part(begin..end)
                }
                _ => Hide::Nothing,
            };
        }
        Hide::Part(0..word.len())
    }
}

/// Words that have a secret behind them although they are no options: `nmcli … password X`.
fn is_before_secret(program: &str, word: &str) -> bool {
    let word = word.to_ascii_lowercase();
    let is_name = matches!(
        word.as_str(),
        "password" | "passwd" | "passphrase" | "psk" | "requirepass" | "masterauth"
    );
    // `change_password` of rabbitmqctl is a verb.
    let is_variable = program != "rabbitmqctl"
        && ["_key", "_token", "_secret", "_password"]
            .into_iter()
            .any(|end| word.ends_with(end));
    let is_auth = program.ends_with("-cli") && word == "auth";
    is_name
        || is_auth
        || (is_variable && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// `NAME:PASSWORD` or `NAME%PASSWORD` from `begin` on. Two numbers, or a name twice, are an account and its
/// group.
fn user(word: &str, begin: usize) -> Hide {
    let value = &word[begin..];
    let Some(at) = value.find([':', '%']) else {
        return Hide::Nothing;
    };
    let (name, password) = (&value[..at], &value[at + 1..]);
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if password.is_empty() || name == password || (is_number(name) && is_number(password)) {
        return Hide::Nothing;
    }
    Hide::Part(begin + at + 1..word.len())
}

/// What `-p` takes where it takes no password.
fn is_port_or_path(word: &str) -> bool {
    let is_port = word
        .trim_end_matches("/tcp")
        .trim_end_matches("/udp")
        .chars()
        .all(|c| c.is_ascii_digit() || matches!(c, ':' | '-' | ',' | '.'));
    is_port || word.contains('/') || word.starts_with(['-', '.', '~', '$'])
}
