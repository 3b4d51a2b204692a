//! `~`, `%`-tokens and `${VARIABLES}` in what OpenSSH's configuration says.
//!
//! Source: ssh_config(5), "TOKENS" and "ENVIRONMENT VARIABLES".

use std::path::{Path, PathBuf};

/// What the tokens stand for.
#[derive(Debug, Clone, Copy)]
pub(in crate::ssh) struct Tokens<'a> {
    pub(in crate::ssh) home: Option<&'a Path>,
    pub(in crate::ssh) local_user: &'a str,
    pub(in crate::ssh) name: &'a str,
    pub(in crate::ssh) address: &'a str,
    pub(in crate::ssh) port: u16,
    pub(in crate::ssh) user: &'a str,
    pub(in crate::ssh) alias: Option<&'a str>,
    pub(in crate::ssh) jump: Option<&'a str>,
    /// None: ssh was not asked, because nothing needs it.
    pub(in crate::ssh) local: Option<&'a Local>,
}

/// Tokens that ssh itself must expand, because they depend on this machine or on ssh's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Local {
    hash: String,
    short_name: String,
    name: String,
    uid: String,
}

impl Local {
    /// A `ControlPath` in which ssh expands these tokens; `ssh -G` prints the result.
    pub(in crate::ssh) const CONTROL_PATH: &str = "/%C/%L/%l/%i";

    /// The tokens in what `ssh -G` printed for [`Self::CONTROL_PATH`].
    pub(in crate::ssh) fn parse(control_path: &str) -> Option<Self> {
        let mut words = control_path
            .strip_prefix('/')?
            .split('/')
            .map(str::to_owned);
        Some(Self {
            hash: words.next()?,
            short_name: words.next()?,
            name: words.next()?,
            uid: words.next()?,
        })
    }

    /// `text` may hold one of these tokens.
    pub(in crate::ssh) fn is_needed(text: &str) -> bool {
        ["%C", "%L", "%l", "%i"]
            .iter()
            .any(|token| text.contains(token))
    }
}

impl Tokens<'_> {
    /// A path: tokens, variables and a leading `~` replaced.
    pub(in crate::ssh) fn path(&self, word: &str) -> Result<PathBuf, String> {
        self.beneath_home(&self.text(word)?)
    }

    /// A path in which ssh has replaced everything but perhaps a leading `~`.
    pub(in crate::ssh) fn beneath_home(&self, word: &str) -> Result<PathBuf, String> {
        if word == "~" || word.starts_with("~/") {
            let home = self.home.ok_or("there is no home directory")?;
            return Ok(home.join(word.trim_start_matches('~').trim_start_matches('/')));
        }
        if word.starts_with('~') {
            return Err("homes of other users are not looked up".to_owned());
        }
        Ok(PathBuf::from(word))
    }

    /// A text that no shell sees: tokens and variables replaced.
    pub(in crate::ssh) fn text(&self, word: &str) -> Result<String, String> {
        variables(&self.expand(word)?)
    }

    /// A command for a shell, or a list of jumps: tokens replaced, the rest left as it is. What a token
    /// stands for must not mean anything to a shell.
    pub(in crate::ssh) fn command(&self, text: &str) -> Result<String, String> {
        for (token, value) in [
            ("%h", self.address),
            ("%n", self.name),
            ("%r", self.user),
            ("%k", self.alias.unwrap_or_default()),
        ] {
            let is_plain = !value.starts_with('-')
                && !value.contains(|c: char| {
                    c.is_control() || c.is_whitespace() || "'`\"$;&<>|(){}".contains(c)
                });
            if text.contains(token) && !is_plain {
                return Err(format!(
                    "`{token}` stands for `{}`, which a shell would not take as one word",
                    crate::name::escape(value.as_bytes())
                ));
            }
        }
        self.expand(text)
    }

    fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                expanded.push(letter);
                continue;
            }
            match letters.next() {
                Some('%') => expanded.push('%'),
                Some('h') => expanded.push_str(self.address),
                Some('p') => expanded.push_str(&self.port.to_string()),
                Some('r') => expanded.push_str(self.user),
                Some('n') => expanded.push_str(self.name),
                Some('u') => expanded.push_str(self.local_user),
                Some('k') => expanded.push_str(self.alias.unwrap_or(self.name)),
                Some('j') => expanded.push_str(self.jump.unwrap_or_default()),
                Some('d') => {
                    let home = self.home.ok_or("there is no home directory")?;
                    expanded.push_str(&home.to_string_lossy());
                }
                Some(letter @ ('C' | 'L' | 'l' | 'i')) => {
                    let local = self.local.ok_or("ssh does not print its value")?;
                    expanded.push_str(match letter {
                        'C' => &local.hash,
                        'L' => &local.short_name,
                        'l' => &local.name,
                        _ => &local.uid,
                    });
                }
                Some(other) => return Err(format!("the token `%{other}` is not known here")),
                None => return Err("it ends with a lone `%`".to_owned()),
            }
        }
        Ok(expanded)
    }
}

fn variables(text: &str) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("`${` is not closed")?;
        let value = std::env::var(name).map_err(|_| format!("the variable `{name}` is not set"))?;
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens<'static> {
        Tokens {
            home: Some(Path::new("/home/me")),
            local_user: "me",
            name: "web",
            address: "10.0.0.1",
            port: 2222,
            user: "ops",
            alias: None,
            jump: Some("bastion"),
            local: None,
        }
    }

    #[test]
    fn what_depends_on_this_machine_is_what_ssh_says() {
        let local = Local::parse("/abc/vm/vm.example.org/1000").expect("four words");
        let tokens = Tokens {
            local: Some(&local),
            ..tokens()
        };
        assert_eq!(
            tokens.path("/k/%C-%L-%l-%i"),
            Ok("/k/abc-vm-vm.example.org-1000".into())
        );
        assert!(Local::is_needed("identityfile ~/.ssh/%l"));
        assert!(!Local::is_needed("identityfile ~/.ssh/%h-%r"));
        assert_eq!(Local::parse("none"), None);
    }

    #[test]
    fn a_command_takes_no_name_that_means_something_to_a_shell() {
        for user in ["$(id)", "-oProxyCommand=x", "a b", "a;b"] {
            let tokens = Tokens { user, ..tokens() };
            assert_eq!(
                tokens.command("nc %r"),
                Err(format!(
                    "`%r` stands for `{user}`, which a shell would not take as one word"
                ))
            );
            assert_eq!(tokens.command("nc %h"), Ok("nc 10.0.0.1".to_owned()));
        }
    }

    #[test]
    fn tokens_are_replaced() {
        assert_eq!(
            tokens().command("%h %p %r %n %u %k %j %d %%h"),
            Ok("10.0.0.1 2222 ops web me web bastion /home/me %h".to_owned())
        );
    }

    #[test]
    fn a_path_knows_home_and_variables() {
        assert_eq!(
            tokens().path("~/.ssh/%h"),
            Ok("/home/me/.ssh/10.0.0.1".into())
        );
        assert_eq!(tokens().path("~"), Ok("/home/me/".into()));
        assert_eq!(
            tokens().path("${CARGO_MANIFEST_DIR}/x"),
            Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("x"))
        );
    }

    #[test]
    fn what_cannot_be_replaced_is_told() {
        assert_eq!(
            tokens().path("%C"),
            Err("ssh does not print its value".to_owned())
        );
        assert_eq!(
            tokens().path("%x"),
            Err("the token `%x` is not known here".to_owned())
        );
        assert_eq!(
            tokens().path("x%"),
            Err("it ends with a lone `%`".to_owned())
        );
        assert_eq!(
            tokens().path("${FLEET_NO_SUCH_VARIABLE}"),
            Err("the variable `FLEET_NO_SUCH_VARIABLE` is not set".to_owned())
        );
        assert_eq!(
            tokens().path("~other/x"),
            Err("homes of other users are not looked up".to_owned())
        );
    }
}
