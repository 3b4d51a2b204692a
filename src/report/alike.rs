//! Groups messages that differ only in host name or address, so that a run over many hosts prints each
//! once.
//!
//! What differs from host to host for no other reason than that it is another host (its name, an
//! address, a key's fingerprint) does not tell two texts apart.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::name::HostName;
use crate::units::listing;

/// Hosts of which the same is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// Where they are in what was asked about, in that order; at least one.
    pub members: Vec<usize>,
    /// What is said: word by word as it was, with `HOST`, `ADDRESS` or `FINGERPRINT` where they
    /// differ.
    pub texts: Vec<String>,
}

/// Puts together of whom the same texts are said, in the order of the first of each kind.
#[must_use]
pub fn alike(said: &[(HostName, Vec<String>)]) -> Vec<Alike> {
    let mut places: HashMap<Vec<String>, usize> = HashMap::new();
    let mut kinds: Vec<(Vec<usize>, Vec<Vec<String>>)> = Vec::new();
    for (index, (host, texts)) in said.iter().enumerate() {
        let kind: Vec<String> = texts
            .iter()
            .map(|text| words(text).map(|word| without(word, host)).collect())
            .collect();
        let place = *places.entry(kind).or_insert(kinds.len());
        match kinds.get_mut(place) {
            Some((members, shown)) => {
                members.push(index);
                for (shown, text) in shown.iter_mut().zip(texts) {
                    for (shown, word) in shown.iter_mut().zip(words(text)) {
                        if shown != word {
                            *shown = without(word, host);
                        }
                    }
                }
            }
            None => {
                let shown = texts.iter().map(|text| words(text).map(str::to_owned));
                kinds.push((vec![index], shown.map(Iterator::collect).collect()));
            }
        }
    }
    kinds
        .into_iter()
        .map(|(members, texts)| Alike {
            members,
            texts: texts.iter().map(|words| words.concat()).collect(),
        })
        .collect()
}

/// `web-1, web-2`; the first ten of many, and how many more.
#[must_use]
pub fn names(hosts: &[&HostName]) -> String {
    listing(hosts.len(), hosts)
}

/// The words of a text, each with the blank behind it. How long something took, as `10 s)` at the end of
/// a bracket, is one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = |text: &str| {
            text.find(char::is_whitespace).map_or(text.len(), |at| {
                at + text[at..].chars().next().map_or(0, char::len_utf8)
            })
        };
        let first = end(rest);
        let second = first + end(&rest[first..]);
        let length = if is_time(&rest[..second]) {
            second
        } else {
            first
        };
        let (word, behind) = rest.split_at(length);
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

/// `10 s)`.
fn is_time(words: &str) -> bool {
    words
        .trim_end()
        .strip_suffix(" s)")
        .is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

/// The word without what only `host` has.
fn without(word: &str, host: &HostName) -> String {
    let core = word
        .trim_start_matches(['`', '"', '\'', '('])
        .trim_end_matches(|c: char| c.is_whitespace() || "`\"'),;:.".contains(c));
    if is_time(word) {
        word.replacen(word.trim_end(), "TIME)", 1)
    } else if is_address(core) {
        word.replacen(core, "ADDRESS", 1)
    } else if core.starts_with("SHA256:") {
        word.replacen(core, "FINGERPRINT", 1)
    } else {
        without_name(word, host.as_str())
    }
}

/// `203.0.113.7`, `203.0.113.7:22`, `[203.0.113.7]:22`, `web-1.example:22`; never a path.
fn is_address(word: &str) -> bool {
    if word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok() {
        return true;
    }
    word.rsplit_once(':').is_some_and(|(name, port)| {
        let is_name = |c: char| c.is_alphanumeric() || "-_.[]".contains(c);
        !name.is_empty() && name.chars().all(is_name) && port.parse::<u16>().is_ok()
    })
}

/// The name replaced where it is no piece of a longer one.
fn without_name(word: &str, name: &str) -> String {
    let joins = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(name) {
        let (before, behind) = (&rest[..at], &rest[at + name.len()..]);
        let mut next = behind.chars();
        let goes_on = match next.next() {
            Some('.') => next.next().is_some_and(joins),
            Some(c) => joins(c),
            None => false,
        };
        let began =
            (text.chars().chain(before.chars()).last()).is_some_and(|c| joins(c) || c == '.');
        text.push_str(before);
        text.push_str(if began || goes_on { name } else { "HOST" });
        rest = behind;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(texts: &[(&str, &str)]) -> Vec<(HostName, Vec<String>)> {
        texts
            .iter()
            .map(|(host, text)| (host.parse().expect("a name"), vec![(*text).to_owned()]))
            .collect()
    }

    #[test]
    fn what_only_names_another_host_is_the_same() {
        let all = alike(&said(&[
            ("web-1", "can't connect to web-1 at 203.0.113.1:22: refused"),
            ("web-2", "can't connect to web-2 at 203.0.113.1:22: refused"),
            (
                "web-3",
                "can't connect to web-3 at web-3.example:22: refused",
            ),
            (
                "web-4",
                "can't connect to web-4 at web-4.example:22: timed out",
            ),
        ]));
        assert_eq!(
            all,
            [
                Alike {
                    members: vec![0, 1, 2],
                    texts: vec!["can't connect to HOST at ADDRESS: refused".to_owned()],
                },
                Alike {
                    members: vec![3],
                    texts: vec!["can't connect to web-4 at web-4.example:22: timed out".to_owned()],
                },
            ]
        );
    }

    #[test]
    fn how_long_each_took_tells_no_two_apart() {
        let all = alike(&said(&[
            ("a", "can't connect to a (3 attempts, 1 s)"),
            ("b", "can't connect to b (3 attempts, 12 s)\nbut see 3 s"),
            ("c", "can't connect to c (3 attempts, 2 s)"),
            ("d", "can't connect to d (1 attempt, 2 s)"),
        ]));
        let members: Vec<&[usize]> = all.iter().map(|kind| &kind.members[..]).collect();
        assert_eq!(members, [&[0, 2][..], &[1], &[3]]);
        assert_eq!(
            all[0].texts,
            ["can't connect to HOST (3 attempts, TIME)".to_owned()]
        );
    }

    #[test]
    fn what_is_the_same_for_all_stays_as_it_was() {
        let all = alike(&said(&[
            ("a", "can't reach a through gate at 198.51.100.1:22"),
            ("b", "can't reach b through gate at 198.51.100.1:22"),
        ]));
        let text = "can't reach HOST through gate at 198.51.100.1:22".to_owned();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].texts, [text]);
    }

    #[test]
    fn a_name_is_no_piece_of_a_longer_one() {
        let host = "web".parse().expect("a name");
        for (word, kept) in [
            ("web", "HOST"),
            ("`web`.", "`HOST`."),
            ("root@web's", "root@HOST's"),
            ("store/web/x", "store/HOST/x"),
            ("web-2", "web-2"),
            ("webweb", "webweb"),
            ("web.example", "web.example"),
            ("a.web", "a.web"),
            ("SHA256:abc,", "FINGERPRINT,"),
            ("(203.0.113.9),", "(ADDRESS),"),
            ("[203.0.113.9]:2222", "ADDRESS"),
            ("/etc/known_hosts:12", "/etc/known_hosts:12"),
        ] {
            assert_eq!(without(word, &host), kept, "{word}");
        }
    }

    #[test]
    fn ten_names_are_told_and_how_many_more() {
        let hosts: Vec<HostName> = (1..=12)
            .map(|n| format!("h{n}").parse().expect("a name"))
            .collect();
        let hosts: Vec<&HostName> = hosts.iter().collect();
        assert_eq!(names(&hosts[..2]), "h1, h2");
        assert_eq!(
            names(&hosts[..10]),
            "h1, h2, h3, h4, h5, h6, h7, h8, h9, h10"
        );
        assert_eq!(
            names(&hosts),
            "h1, h2, h3, h4, h5, h6, h7, h8, h9, h10 and 2 more"
        );
    }
}
