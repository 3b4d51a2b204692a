//! Splits the SQL text of a dump into statements and rows, as psql does.
//!
//! A dump is only ever looked at: what is loaded is the text itself. What psql would take for a command of
//! its own is reported, for no dump has one, and a server that was taken over could put one in.
//!
//! Text is read with `standard_conforming_strings`, which every dump sets.

/// So much of a statement is kept: its beginning, and its last tokens.
const KEPT_TOKENS_MAX: usize = 256;
const KEPT_BYTES_MAX: usize = 64 << 10;
const LAST_TOKENS: usize = 8;

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, number or plain name, in lower case.
    Word(String),
    /// A name in double quotes, without them.
    Name(String),
    /// A string with its quotes.
    Literal(String),
    /// Anything else.
    Sign(char),
}

impl Token {
    /// The name that it is; none if it is no name.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Word(name) | Self::Name(name) => Some(name),
            Self::Literal(_) | Self::Sign(_) => None,
        }
    }

    /// Whether it is that keyword.
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(own) if own == word)
    }

    fn text(&self) -> String {
        match self {
            Self::Word(text) | Self::Literal(text) => text.clone(),
            Self::Name(name) => quoted(name),
            Self::Sign(sign) => sign.to_string(),
        }
    }
}

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement, without comments and the `;`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its words.
    pub(super) tokens: Vec<Token>,
    /// Whether something of its middle is missing.
    pub(super) is_cut: bool,
}

impl Statement {
    /// Whether it begins with these keywords.
    pub(super) fn begins(&self, words: &[&str]) -> bool {
        self.tokens.len() >= words.len() && self.tokens.iter().zip(words).all(|(t, w)| t.is(w))
    }

    /// Where these keywords are first, one after the other.
    pub(super) fn find(&self, words: &[&str]) -> Option<usize> {
        let mut places = self.tokens.windows(words.len());
        places.position(|window| window.iter().zip(words).all(|(t, w)| t.is(w)))
    }

    /// The name at that place.
    pub(super) fn name_at(&self, place: usize) -> Option<&str> {
        self.tokens.get(place).and_then(Token::name)
    }

    /// As SQL, with its `;`.
    pub(super) fn text(&self) -> String {
        let words: Vec<String> = self.tokens.iter().map(Token::text).collect();
        words.join(" ") + ";\n"
    }
}

/// What is found in a dump.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement.
    Statement(Statement),
    /// A row of the table of the last statement.
    Row,
    /// A command to psql, without its backslash.
    Command(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Plain,
    Word,
    /// `is_escaped`: a backslash takes the next byte along.
    Literal {
        is_escaped: bool,
        skips: bool,
    },
    Name,
    /// The tag that ends it, and how it begins.
    Dollar {
        tag: Vec<u8>,
        is_open: bool,
    },
    Comment,
    Block {
        depth: u32,
        last: u8,
    },
    Command,
    /// The rest of the line of a COPY.
    BeforeRows,
    Rows,
}

/// Reads SQL text in pieces of any length.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    /// What came of the token, or of the line of a row.
    text: Vec<u8>,
    /// The byte before, where it decides.
    before: u8,
    statement: Statement,
    last: std::collections::VecDeque<Token>,
    bytes: usize,
}

impl Default for Lexer {
    fn default() -> Self {
        Self {
            state: State::Plain,
            text: Vec::new(),
            before: b'\n',
            statement: Statement::default(),
            last: std::collections::VecDeque::new(),
            bytes: 0,
        }
    }
}

impl Lexer {
    /// Takes the next bytes, and hands what is complete to `take`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], take: &mut dyn FnMut(Piece)) {
        while let Some(&byte) = bytes.first() {
            if self.state == State::Rows {
                bytes = self.row(bytes, take);
            } else {
                self.byte(byte, take);
                bytes = &bytes[1..];
            }
        }
    }

    /// The text has ended. Whether that is between two statements.
    pub(super) fn finish(mut self, take: &mut dyn FnMut(Piece)) -> bool {
        self.byte(b'\n', take);
        self.state == State::Plain && self.statement.tokens.is_empty() && self.last.is_empty()
    }

    /// Takes bytes of rows up to the end of a line; the rest.
    fn row<'b>(&mut self, bytes: &'b [u8], take: &mut dyn FnMut(Piece)) -> &'b [u8] {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let line = &bytes[..end.unwrap_or(bytes.len())];
        // More than the end mark has isn't needed.
        let room = 3_usize.saturating_sub(self.text.len()).min(line.len());
        self.text.extend_from_slice(&line[..room]);
        let Some(end) = end else { return &[] };
        let line = std::mem::take(&mut self.text);
        if line == b"\\." {
            self.state = State::Plain;
        } else {
            take(Piece::Row);
        }
        &bytes[end + 1..]
    }

    fn byte(&mut self, byte: u8, take: &mut dyn FnMut(Piece)) {
        match &mut self.state {
            State::Plain => self.plain(byte, take),
            State::Word => match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | 0x80.. => self.keep(byte),
                // E'…': what the dump writes for strings with backslashes.
                b'\'' if self.text.eq_ignore_ascii_case(b"e") => {
                    self.keep(byte);
                    self.state = State::Literal {
                        is_escaped: true,
                        skips: false,
                    };
                }
                _ => {
                    let word = self.taken();
                    self.push(Token::Word(word.to_ascii_lowercase()));
                    self.state = State::Plain;
                    self.plain(byte, take);
                }
            },
            State::Literal { is_escaped, skips } => {
                if *skips {
                    *skips = false;
                } else if byte == b'\\' && *is_escaped {
                    *skips = true;
                } else if byte == b'\'' {
                    // Two quotes are one quote of the string: what follows is read as a string again, and
                    // both are put together.
                    self.keep(byte);
                    let literal = self.taken();
                    self.push(Token::Literal(literal));
                    self.state = State::Plain;
                    self.before = byte;
                    return;
                }
                self.keep(byte);
            }
            State::Name => {
                if byte == b'"' {
                    let name = self.taken();
                    self.push(Token::Name(name));
                    self.state = State::Plain;
                    self.before = byte;
                    return;
                }
                self.keep(byte);
            }
            State::Dollar { .. } => self.dollar(byte, take),
            State::Comment => {
                if byte == b'\n' {
                    self.state = State::Plain;
                }
            }
            State::Block { depth, last } => {
                match (*last, byte) {
                    (b'*', b'/') => *depth -= 1,
                    (b'/', b'*') => *depth += 1,
                    _ => {}
                }
                let is_over = *depth == 0;
                *last = if is_over { 0 } else { byte };
                if is_over {
                    self.state = State::Plain;
                }
            }
            State::Command => {
                if byte == b'\n' {
                    let command = self.taken();
                    take(Piece::Command(command));
                    self.state = State::Plain;
                } else {
                    self.keep(byte);
                }
            }
            State::BeforeRows => {
                if byte == b'\n' {
                    self.state = State::Rows;
                }
            }
            State::Rows => {}
        }
        self.before = byte;
    }

    fn plain(&mut self, byte: u8, take: &mut dyn FnMut(Piece)) {
        let again = self.before == byte;
        match byte {
            b'\'' | b'"' if again && self.reopen(byte) => {}
            b'\'' => {
                self.keep(byte);
                self.state = State::Literal {
                    is_escaped: false,
                    skips: false,
                };
            }
            b'"' => self.state = State::Name,
            b'$' => {
                self.state = State::Dollar {
                    tag: vec![b'$'],
                    is_open: false,
                }
            }
            b'\\' => self.state = State::Command,
            b'-' if again && self.unsign('-') => self.state = State::Comment,
            b'*' if self.before == b'/' && self.unsign('/') => {
                self.state = State::Block { depth: 1, last: 0 }
            }
            b';' => self.end(take),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80.. => {
                self.keep(byte);
                self.state = State::Word;
            }
            _ if byte.is_ascii_whitespace() => {}
            _ => self.push(Token::Sign(char::from(byte))),
        }
    }

    /// Goes on with a string or name whose last quote was the first of two.
    fn reopen(&mut self, quote: u8) -> bool {
        let last = self.last_token();
        let (text, state) = match (last, quote) {
            (Some(Token::Literal(text)), b'\'') => {
                let is_escaped = !text.starts_with('\'');
                let state = State::Literal {
                    is_escaped,
                    skips: false,
                };
                (text.clone() + "'", state)
            }
            (Some(Token::Name(text)), b'"') => (text.clone() + "\"", State::Name),
            _ => return false,
        };
        self.pop();
        self.text = text.into_bytes();
        self.state = state;
        true
    }

    fn unsign(&mut self, sign: char) -> bool {
        let is_it = self.last_token() == Some(&Token::Sign(sign));
        if is_it {
            self.pop();
        }
        is_it
    }

    fn dollar(&mut self, byte: u8, take: &mut dyn FnMut(Piece)) {
        let State::Dollar { tag, is_open } = &mut self.state else {
            return;
        };
        if !*is_open {
            match byte {
                b'$' => {
                    tag.push(byte);
                    *is_open = true;
                    self.text = tag.clone();
                }
                b'0'..=b'9' if tag.len() == 1 => {
                    self.text.push(b'$');
                    self.text.push(byte);
                    self.state = State::Word;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | 0x80.. => tag.push(byte),
                _ => {
                    self.state = State::Plain;
                    self.plain(byte, take);
                }
            }
            return;
        }
        // Of a long string, the end is what matters.
        if self.text.len() > KEPT_BYTES_MAX {
            let kept = self.text.len() - tag.len();
            self.text.drain(..kept);
        }
        let begin = tag.len();
        self.text.push(byte);
        if byte == b'$' && self.text.len() >= 2 * begin && self.text.ends_with(tag) {
            let literal = self.taken();
            self.push(Token::Literal(literal));
            self.state = State::Plain;
        }
    }

    /// The statement has ended.
    fn end(&mut self, take: &mut dyn FnMut(Piece)) {
        let mut statement = std::mem::take(&mut self.statement);
        statement.tokens.extend(self.last.drain(..));
        self.bytes = 0;
        // Whatever else it says, psql takes the lines that follow for rows.
        let has_rows = statement.begins(&["copy"]) && statement.find(&["stdin"]).is_some();
        if !statement.tokens.is_empty() {
            take(Piece::Statement(statement));
        }
        if has_rows {
            self.state = State::BeforeRows;
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.text.len() < KEPT_BYTES_MAX {
            self.text.push(byte);
        }
    }

    fn taken(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        String::from_utf8(text)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }

    fn last_token(&self) -> Option<&Token> {
        self.last.back().or_else(|| self.statement.tokens.last())
    }

    fn pop(&mut self) {
        if self.last.pop_back().is_none() {
            self.statement.tokens.pop();
        }
    }

    fn push(&mut self, token: Token) {
        let length = match &token {
            Token::Word(text) | Token::Name(text) | Token::Literal(text) => text.len(),
            Token::Sign(_) => 1,
        };
        let is_full =
            self.statement.tokens.len() >= KEPT_TOKENS_MAX || self.bytes + length > KEPT_BYTES_MAX;
        if is_full || !self.last.is_empty() {
            self.last.push_back(token);
            if self.last.len() > LAST_TOKENS {
                self.last.pop_front();
                self.statement.is_cut = true;
            }
        } else {
            self.bytes += length;
            self.statement.tokens.push(token);
        }
    }
}

#[cfg(test)]
mod tests;
