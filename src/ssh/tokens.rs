//! `~`, `%`-tokens and `${VARIABLES}` in what OpenSSH's configuration says.
//!
//! Source: ssh_config(5), "TOKENS" and "ENVIRONMENT VARIABLES".

use std::path::{Path, PathBuf};

/// What the tokens stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens<'a> {
    pub(super) home: Option<&'a Path>,
    pub(super) local_user: &'a str,
    pub(super) name: &'a str,
    pub(super) address: &'a str,
    pub(super) port: u16,
    pub(super) user: &'a str,
    pub(super) alias: Option<&'a str>,
    pub(super) jump: Option<&'a str>,
}

impl Tokens<'_> {
    /// A path: tokens, variables and a leading `~` replaced.
    pub(super) fn path(&self, word: &str) -> Result<PathBuf, String> {
        self.beneath_home(&self.text(word)?)
    }

    /// A path in which ssh has replaced everything but perhaps a leading `~`.
    pub(super) fn beneath_home(&self, word: &str) -> Result<PathBuf, String> {
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
    pub(super) fn text(&self, word: &str) -> Result<String, String> {
        variables(&self.command(word)?)
    }

    /// A command: tokens replaced, the rest left to its shell.
    pub(super) fn command(&self, text: &str) -> Result<String, String> {
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
            Err("the token `%C` is not known here".to_owned())
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
