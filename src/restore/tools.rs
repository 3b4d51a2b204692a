//! Which way of putting files in place a host's tools allow, and what is lost on the slower one.

use super::Error;
use super::plan::merged::PartEntry;
use crate::guard::{ReadCommand, RestoreTools};
use crate::manifest::{Entry, FileTime};
use crate::name::RemotePath;
use crate::ssh::{Input, ReadSession};
use crate::store;
use crate::units::listing;

const ANSWER_MAX_BYTES: usize = 4096;

/// What a host's tools allow, as far as that shows without writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The usual way.
    Gnu,
    /// The slower one, and why.
    Slow(String),
    /// None, and why.
    Neither(String),
}

impl Offer {
    /// Asks the host. Nothing is written there.
    ///
    /// # Errors
    ///
    /// [`Error::Ssh`] if it does not answer, [`Error::Answer`] if that is something else.
    pub async fn of(session: &ReadSession) -> Result<Self, Error> {
        let command = ReadCommand::RestoreTools;
        let answer = session
            .output(&command, false, Input::none(), ANSWER_MAX_BYTES)
            .await?;
        Self::parse(&String::from_utf8_lossy(&answer.stdout)).ok_or_else(|| Error::Answer {
            step: "offers",
            answer: crate::name::escape(&answer.stdout),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let way = lines.next()?.strip_prefix("way ")?;
        let why = lines.next().and_then(|line| line.strip_prefix("why "));
        Some(match (way, why) {
            ("gnu", _) => Self::Gnu,
            ("slow", Some(why)) => Self::Slow(why.to_owned()),
            ("none", Some(why)) => Self::Neither(why.to_owned()),
            _ => return None,
        })
    }

    /// With which tools the plan is made.
    #[must_use]
    pub fn tools(&self) -> RestoreTools {
        match self {
            Self::Gnu => RestoreTools::Gnu,
            Self::Slow(_) | Self::Neither(_) => RestoreTools::Slow,
        }
    }

    /// Why nothing can be restored.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Gnu | Self::Slow(_) => None,
            Self::Neither(why) => Some(format!("the host's tools cannot take a restore: {why}")),
        }
    }
}

/// Leaves of `entry` only what these tools can put back.
pub fn simplify(entry: &mut Entry, tools: RestoreTools) {
    match tools {
        RestoreTools::Gnu => {}
        RestoreTools::Slow => {
            entry.mtime = FileTime {
                nanoseconds: 0,
                ..entry.mtime
            };
            entry.extended = None;
        }
    }
}

/// What the slower way does not put back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    /// What comes without extended attributes, capabilities and ACLs, in path order.
    attributes: Vec<RemotePath>,
    /// Entries whose time has a fraction of a second.
    fractions: u64,
}

impl Losses {
    /// Of the entries of a checkpoint that are put in place.
    ///
    /// # Errors
    ///
    /// [`store::Error`] of the list.
    pub fn of(
        wanted: impl Iterator<Item = Result<PartEntry, store::Error>>,
        is_put: impl Fn(&RemotePath) -> bool,
    ) -> Result<Self, store::Error> {
        let mut losses = Self::default();
        for one in wanted {
            let entry = one?.entry;
            if !is_put(&entry.path) {
                continue;
            }
            losses.fractions += u64::from(entry.mtime.nanoseconds != 0);
            if entry.extended.as_ref().is_some_and(|e| !e.is_empty()) {
                losses.attributes.push(entry.path);
            }
        }
        Ok(losses)
    }

    /// What the operator has to know before.
    #[must_use]
    pub fn warnings(&self, why: &str) -> Vec<String> {
        let mut warnings = vec![format!(
            "the host takes the slower way of a restore, because {why}: times are set in whole seconds, \
             sparse files become whole, and extended attributes, capabilities and ACLs are not put back"
        )];
        if self.fractions > 0 {
            warnings.push(format!(
                "times that lose their fractions of a second: {}",
                self.fractions
            ));
        }
        if !self.attributes.is_empty() {
            warnings.push(format!(
                "what is put back without its extended attributes, capabilities or ACLs ({}): {}",
                self.attributes.len(),
                listing(self.attributes.len(), &self.attributes)
            ));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_read() {
        for (text, offer) in [
            ("way gnu\n", Some(Offer::Gnu)),
            (
                "way slow\nwhy `cp` is old\n",
                Some(Offer::Slow("`cp` is old".to_owned())),
            ),
            (
                "way none\nwhy no `tar`\n",
                Some(Offer::Neither("no `tar`".to_owned())),
            ),
            ("way slow\n", None),
            ("", None),
            ("noise\n", None),
        ] {
            assert_eq!(Offer::parse(text), offer, "{text:?}");
        }
    }
}
