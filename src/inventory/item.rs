//! The sorts of named things that a host has: sources, services and probes.

use std::fmt;

/// A sort of named things of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// What is captured.
    Source,
    /// What is stopped and started.
    Service,
    /// What is checked.
    Probe,
}

impl Item {
    /// The keys of which each has exactly one, for people.
    #[must_use]
    pub fn kinds(self) -> &'static str {
        match self {
            Self::Source => {
                "`directory`, `directories`, `files`, `postgres`, `command`, `shell` or `http`"
            }
            Self::Service => "`unit` or `process`",
            Self::Probe => "`unit`, `http`, `tcp`, `process` or `postgres`",
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Service => "service",
            Self::Probe => "probe",
        })
    }
}
