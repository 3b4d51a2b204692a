//! The rules of the guard, and the verdict of each on one host and one operation.

use std::fmt;
use std::str::FromStr;

use crate::inventory::{self, Access, Host, Place, Protection};

/// What somebody wants to do with a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read its sources into a checkpoint.
    Checkpoint,
    /// Put a checkpoint back onto it.
    Restore,
    /// Start, stop or reload its services.
    Service,
    /// Run a command that may change it.
    Run,
}

impl Operation {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Checkpoint, Self::Restore, Self::Service, Self::Run];

    /// The word for it on the command line and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Restore => "restore",
            Self::Service => "service",
            Self::Run => "run",
        }
    }

    /// Whether it changes the host.
    #[must_use]
    pub fn writes(self) -> bool {
        match self {
            Self::Checkpoint => false,
            Self::Restore | Self::Service | Self::Run => true,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an operation: use checkpoint, restore, service or run")]
pub struct ParseOperationError(String);

impl FromStr for Operation {
    type Err = ParseOperationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|operation| operation.as_str() == text)
            .ok_or_else(|| ParseOperationError(crate::name::escape(text.as_bytes())))
    }
}

/// Everything that protects `host`, the plainest reason first; empty only for a writable host.
#[must_use]
pub fn protection(host: &Host) -> Vec<Protection> {
    inventory::protection(host)
}

/// Whether `host` must never be written: its `access` is not `writable`, or its `env` or a tag means
/// prod, or it has no `env`.
#[must_use]
pub fn is_protected(host: &Host) -> bool {
    !protection(host).is_empty()
}

/// Whether an operation may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

impl Decision {
    /// The word for it in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One rule and what it says here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its short name.
    pub rule: &'static str,
    /// The place in the inventory that it speaks of.
    pub place: Place,
    /// What it says.
    pub says: String,
}

/// The decision about one operation on one host, with every rule that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What was asked.
    pub operation: Operation,
    /// The answer.
    pub decision: Decision,
    /// Why.
    pub rules: Vec<Rule>,
}

/// Judges `operation` on `host`. Total: every host and operation has an answer, and the answer is
/// no unless the inventory says yes.
#[must_use]
pub fn judge(host: &Host, operation: Operation) -> Judgement {
    if !operation.writes() {
        let rule = Rule {
            rule: "reading",
            place: host.place,
            says: "reading is allowed on every host of the inventory, and writes nothing there"
                .to_owned(),
        };
        return Judgement {
            operation,
            decision: Decision::Allow,
            rules: vec![rule],
        };
    }
    let rules: Vec<Rule> = protection(host)
        .iter()
        .map(|reason| Rule {
            rule: match reason {
                Protection::Env { .. } => "env-prod",
                Protection::Tag { .. } => "tag-prod",
                Protection::NoEnv { .. } => "env-missing",
                Protection::ReadOnly { .. } => "access-read-only",
                Protection::NoAccess { .. } => "access-missing",
            },
            place: reason.place(),
            says: reason.to_string(),
        })
        .collect();
    match (rules.is_empty(), host.access) {
        (true, Some((Access::Writable, place))) => Judgement {
            operation,
            decision: Decision::Allow,
            rules: vec![Rule {
                rule: "access-writable",
                place,
                says: "access is `writable` and nothing says prod".to_owned(),
            }],
        },
        (true, Some((Access::ReadOnly, _)) | None) | (false, _) => Judgement {
            operation,
            decision: Decision::Deny,
            rules,
        },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inventory::{Bootstrap, Env, Keep, Limits, ProdWords, Tag};

    pub(crate) fn host(env: Option<&str>, access: Option<Access>, tags: &[&str]) -> Host {
        let at = |line| Place { line, column: 5 };
        let prod = ProdWords::default();
        Host {
            name: "a-host".parse().expect("a name"),
            place: at(1),
            env: env.map(|env| (Env::parse(env, &prod).expect("a word"), at(2))),
            access: access.map(|access| (access, at(3))),
            tags: tags
                .iter()
                .map(|tag| (Tag::parse(tag, &prod).expect("a word"), at(4)))
                .collect(),
            address: None,
            port: None,
            user: None,
            identity: Vec::new(),
            jump: None,
            profiles: Vec::new(),
            sources: Vec::new(),
            services: Vec::new(),
            probes: Vec::new(),
            bootstrap: Bootstrap::default(),
            limits: Limits {
                connect_timeout: Duration::from_secs(10),
                stall_timeout: Duration::from_secs(60),
            },
            compression: inventory::WireCompression::default(),
            schedule: None,
            keep: Keep::default(),
            max_age: None,
        }
    }

    fn says(host: &Host, operation: Operation) -> (Decision, Vec<(&'static str, u32)>) {
        let judgement = judge(host, operation);
        let rules = judgement
            .rules
            .iter()
            .map(|r| (r.rule, r.place.line))
            .collect();
        (judgement.decision, rules)
    }

    #[test]
    fn only_a_host_that_says_writable_and_never_prod_may_be_written() {
        use Access::{ReadOnly, Writable};
        use Decision::{Allow, Deny};
        let cases = [
            (
                host(Some("dev"), Some(Writable), &[]),
                Allow,
                vec![("access-writable", 3)],
            ),
            (
                host(Some("dev"), Some(ReadOnly), &[]),
                Deny,
                vec![("access-read-only", 3)],
            ),
            (
                host(Some("dev"), None, &[]),
                Deny,
                vec![("access-missing", 1)],
            ),
            (
                host(None, Some(Writable), &[]),
                Deny,
                vec![("env-missing", 1)],
            ),
            (
                host(Some("prod"), Some(Writable), &[]),
                Deny,
                vec![("env-prod", 2)],
            ),
            (
                host(Some(" Production "), Some(Writable), &[]),
                Deny,
                vec![("env-prod", 2)],
            ),
            (
                host(Some("dev"), Some(Writable), &["pbx", "PROD"]),
                Deny,
                vec![("tag-prod", 4)],
            ),
            (
                host(Some("PROD"), None, &["production"]),
                Deny,
                vec![("env-prod", 2), ("tag-prod", 4), ("access-missing", 1)],
            ),
        ];
        for (host, decision, rules) in cases {
            for operation in [Operation::Restore, Operation::Service, Operation::Run] {
                assert_eq!(
                    says(&host, operation),
                    (decision, rules.clone()),
                    "{host:?}"
                );
            }
        }
    }

    #[test]
    fn a_host_is_protected_exactly_if_something_protects_it() {
        use Access::{ReadOnly, Writable};
        for (env, access, tags, expected) in [
            (Some("dev"), Some(Writable), &[][..], false),
            (Some("dev"), Some(Writable), &["delivery"], false),
            (Some("dev"), Some(Writable), &["eu.live"], true),
            (Some("prod-eu"), Some(Writable), &[], true),
            (Some("PRD1"), Some(Writable), &[], true),
            (Some("dev"), Some(ReadOnly), &[], true),
            (Some("dev"), None, &[], true),
            (None, Some(Writable), &[], true),
        ] {
            let host = host(env, access, tags);
            assert_eq!(is_protected(&host), expected, "{host:?}");
        }
    }

    #[test]
    fn reading_is_allowed_everywhere() {
        for host in [host(Some("prod"), None, &[]), host(None, None, &[])] {
            assert_eq!(
                says(&host, Operation::Checkpoint),
                (Decision::Allow, vec![("reading", 1)])
            );
        }
    }

    #[test]
    fn operations_read_back_what_they_print() {
        for operation in Operation::ALL {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        assert_eq!(
            "write".parse::<Operation>(),
            Err(ParseOperationError("write".to_owned()))
        );
    }
}
