//! HTTP URLs, parsed once: the server to connect to, and the target to request there.
//!
//! It never holds a user or a password, and what is shown of it never holds its query or a webhook's token
//! in its path.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::value::is_host_name;
use crate::redact;

/// `http://HOST[:PORT]/PATH?QUERY`, as seen from the host that is asked through.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl {
    tls: bool,
    host: String,
    port: u16,
    target: String,
}

impl HttpUrl {
    /// It begins with `https`.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// A name or an address; IPv6 comes without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port of the URL, or the default one.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, beginning with `/`. Not to be shown: a query may hold a token.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Host and port as they are in a `Host` header: IPv6 in brackets, the usual port left out.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == usual_port(self.tls) {
            self.bracketed()
        } else {
            self.place()
        }
    }

    /// Where the server is: `HOST:PORT`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }
}

fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Without the query, and without tokens in the path.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        let (path, query) = match self.target.split_once('?') {
            Some((path, _)) => (path, "?…"),
            None => (self.target.as_str(), ""),
        };
        let path = redact::url_path(&self.host, path);
        write!(f, "{scheme}://{}{path}{query}", self.authority())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({self})")
    }
}

/// Why a text is no [`HttpUrl`]. Nothing of the text is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseUrlError {
    /// Blanks, control characters.
    #[error("the URL holds blanks or control characters")]
    Blank,
    /// Characters that a URL can't have as they are.
    #[error("the URL holds a character that must be percent-encoded")]
    Character,
    /// Another scheme.
    #[error("the URL does not begin with `http://` or `https://`")]
    Scheme,
    /// A user, and maybe a password.
    #[error("the URL holds a user or password")]
    User,
    /// `[` without `]`.
    #[error("the URL's host has no closing bracket")]
    Bracket,
    /// No host.
    #[error("the URL has no valid host")]
    Host,
    /// No port.
    #[error("the URL's port is not a number from 1 to 65535")]
    Port,
}

impl FromStr for HttpUrl {
    type Err = ParseUrlError;

    fn from_str(text: &str) -> Result<Self, ParseUrlError> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ParseUrlError::Blank);
        }
        let (tls, rest) = if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else {
            return Err(ParseUrlError::Scheme);
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err(ParseUrlError::User);
        }
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            None => usual_port(tls),
            Some(port) => match port.parse() {
                Ok(port @ 1..) => port,
                Ok(0) | Err(_) => return Err(ParseUrlError::Port),
            },
        };
        // What comes behind `#` is for whoever reads the answer, and is never sent.
        let target = rest.split('#').next().unwrap_or_default();
        // RFC 3986 §2: what is not among these is encoded.
        let fine = |c: char| c.is_ascii_graphic() && !r#""<>\^`{|}"#.contains(c);
        if !target.chars().all(fine) {
            return Err(ParseUrlError::Character);
        }
        let target = if target.starts_with('/') {
            target.to_owned()
        } else {
            format!("/{target}")
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            target,
        })
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), ParseUrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(ParseUrlError::Bracket)?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err(ParseUrlError::Host);
        }
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(ParseUrlError::Port),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if host.parse::<IpAddr>().is_err() && !is_host_name(host) {
        return Err(ParseUrlError::Host);
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let cases = [
            ("http://h", false, "h", 80, "/", "h"),
            ("http://h:80/", false, "h", 80, "/", "h"),
            ("https://h", true, "h", 443, "/", "h"),
            ("http://h:443/a", false, "h", 443, "/a", "h:443"),
            ("https://h:80?a=b", true, "h", 80, "/?a=b", "h:80"),
            (
                "http://127.0.0.1:4000/v1/models",
                false,
                "127.0.0.1",
                4000,
                "/v1/models",
                "127.0.0.1:4000",
            ),
            (
                "https://[::1]:8443/s?full#top",
                true,
                "::1",
                8443,
                "/s?full",
                "[::1]:8443",
            ),
            (
                "http://[2001:db8::1]#top",
                false,
                "2001:db8::1",
                80,
                "/",
                "[2001:db8::1]",
            ),
            ("http://h/@a:b", false, "h", 80, "/@a:b", "h"),
        ];
        for (text, tls, host, port, target, authority) in cases {
            let url: HttpUrl = text.parse().expect(text);
            assert_eq!(
                (url.tls(), url.host(), url.port()),
                (tls, host, port),
                "{text}"
            );
            assert_eq!(
                (url.target(), url.authority().as_str()),
                (target, authority),
                "{text}"
            );
        }
    }

    #[test]
    fn the_query_is_never_shown() {
        let url: HttpUrl = "http://h:81/a?token=hunter2".parse().expect("a URL");
        assert_eq!(url.to_string(), "http://h:81/a?…");
        assert_eq!(format!("{url:?}"), "HttpUrl(http://h:81/a?…)");
        assert_eq!(url.place(), "h:81");
        let url: HttpUrl = "https://api.telegram.org/bot12:abc/getMe"
            .parse()
            .expect("a URL");
        assert_eq!(url.to_string(), "https://api.telegram.org/bot***/getMe");
        assert_eq!(url.target(), "/bot12:abc/getMe");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let cases = [
            ("http://h/a b", ParseUrlError::Blank),
            ("http://h/\r\nX:", ParseUrlError::Blank),
            ("http://h/ä", ParseUrlError::Character),
            ("http://h/{id}", ParseUrlError::Character),
            ("HTTP//h", ParseUrlError::Scheme),
            ("ftp://h/", ParseUrlError::Scheme),
            ("http://u:p@h/", ParseUrlError::User),
            ("http://[::1/", ParseUrlError::Bracket),
            ("http://[h]/", ParseUrlError::Host),
            ("http:///a", ParseUrlError::Host),
            ("http://-h/", ParseUrlError::Host),
            ("http://h:/", ParseUrlError::Port),
            ("http://h:0/", ParseUrlError::Port),
            ("http://h:65536/", ParseUrlError::Port),
            ("http://[::1]x/", ParseUrlError::Port),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<HttpUrl>(), Err(error), "{text}");
        }
    }
}
