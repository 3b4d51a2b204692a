//! Inventory errors: each problem with its place, its reason and its remedy.
//!
//! Messages name keys, hosts and sources, and never quote a value that may be a secret.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use super::item::Item;
use super::{FILE_MAX_BYTES, Place, VERSION};
use crate::fault::{Code, ExitClass, Fault};
use crate::name::{AccountName, HostName, ParseNameError, ProfileName, SourceName, did_you_mean};

/// So many problems are printed; the rest is counted.
pub(super) const TOLD_MAX: usize = 20;

/// An inventory file that was refused, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    file: PathBuf,
    problems: Vec<Problem>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it is; none: the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub rule: Rule,
    /// The other place that has a share in it.
    pub also: Option<Place>,
}

/// The rules that a file can break.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// More bytes than fleet reads.
    #[error("the file has {bytes} bytes, and fleet reads at most {FILE_MAX_BYTES}")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// Nothing but blanks and comments.
    #[error("the file is empty")]
    Empty,
    /// Not YAML.
    #[error("not valid YAML: {why}")]
    Syntax {
        /// What the parser says.
        why: String,
    },
    /// Indented with tabs.
    #[error("tab used for indentation")]
    Tab,
    /// A second document.
    #[error("a second YAML document begins here")]
    ManyDocuments,
    /// Too deep, too many values, or aliases that unfold to too much.
    #[error("the file's aliases or nesting exceed fleet's limit")]
    TooComplex,
    /// `<<`
    #[error("merge keys (`<<`) can't be used in an inventory")]
    MergeKey,
    /// A key that nothing reads.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
        /// All keys that may be there.
        known: Vec<&'static str>,
    },
    /// `env` or `access` in `defaults` or in a profile.
    #[error("`{key}` is only allowed directly on a host")]
    HostOnlyKey {
        /// The key.
        key: String,
    },
    /// A key for the second time.
    #[error("duplicate key `{key}`")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// `*` that is no alias, `!` that is no tag, and the like.
    #[error("{what}")]
    Unquoted {
        /// What YAML takes it for.
        what: &'static str,
        /// How to mend it.
        hint: &'static str,
    },
    /// Another type of value than the key takes.
    #[error("{subject} must be {wants}{}", found.as_ref().map(|found| format!(", found {found}")).unwrap_or_default())]
    WrongType {
        /// The key.
        subject: String,
        /// What it takes.
        wants: &'static str,
        /// What is there.
        found: Option<String>,
        /// How to write it.
        hint: String,
    },
    /// Another version of the format.
    #[error("the inventory has version {found}, and this fleet reads version {VERSION}")]
    OtherVersion {
        /// What the file says.
        found: u64,
    },
    /// A name that can't be one.
    #[error(transparent)]
    Name(ParseNameError),
    /// A value that its key can't take.
    #[error("`{key}`: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        why: String,
        /// How to mend it.
        hint: Cow<'static, str>,
    },
    /// Prod, and writable.
    #[error("host `{host}` can't be `access: writable`, because {because}")]
    ProdWritable {
        /// The host.
        host: HostName,
        /// What makes it prod.
        because: String,
    },
    /// No env, and writable.
    #[error("host `{host}` is `access: writable` but has no `env`, and so counts as prod")]
    NoEnvWritable {
        /// The host.
        host: HostName,
    },
    /// One machine under two names, one of them writable.
    #[error("hosts `{host}` and `{other}` are one address, `{address}`, with different access")]
    OneAddress {
        /// The host that is later in the file.
        host: HostName,
        /// The other one.
        other: HostName,
        /// What they share.
        address: String,
    },
    /// Host names that differ in case only.
    #[error("hosts `{host}` and `{other}` differ only in upper and lower case")]
    OneName {
        /// The host that is later in the file.
        host: HostName,
        /// The other one.
        other: HostName,
    },
    /// A profile that isn't there.
    #[error("there is no profile `{name}`")]
    UnknownProfile {
        /// What was asked for.
        name: ProfileName,
        /// The known profile that looks most like it.
        nearest: Option<String>,
    },
    /// A profile named twice by one host.
    #[error("host `{host}` uses profile `{name}` twice")]
    ProfileTwice {
        /// The host.
        host: HostName,
        /// The profile.
        name: ProfileName,
    },
    /// Two sources, services or probes of one name at one host.
    #[error("host `{host}` has two {item}s `{name}`: {bringers}")]
    ItemTwice {
        /// Of which sort.
        item: Item,
        /// The host.
        host: HostName,
        /// The name.
        name: String,
        /// Who brings them, for people.
        bringers: String,
    },
    /// A command at a protected host for which nobody vouches.
    #[error(
        "command source `{source_name}` needs `reads_only: true`, because it runs on protected hosts: {hosts}"
    )]
    NotVouched {
        /// The source.
        source_name: SourceName,
        /// The protected hosts, for people.
        hosts: String,
    },
    /// A source, service or probe that doesn't say what it is.
    #[error("{item} `{name}` has no kind")]
    NoKind {
        /// Of which sort.
        item: Item,
        /// Its name.
        name: String,
    },
    /// A source, service or probe that is two things.
    #[error("{item} `{name}` can't be both `{first}` and `{second}`")]
    TwoKinds {
        /// Of which sort.
        item: Item,
        /// Its name.
        name: String,
        /// One key.
        first: &'static str,
        /// The other key.
        second: &'static str,
    },
    /// A key of another kind of source, service or probe.
    #[error("`{key}` doesn't belong to a `{kind}` {item}")]
    ForeignKey {
        /// Of which sort it is.
        item: Item,
        /// The key.
        key: &'static str,
        /// What it is.
        kind: &'static str,
        /// The kinds that it belongs to.
        owners: Vec<&'static str>,
    },
    /// Hosts that are reached through each other.
    #[error("`jump` of host `{host}` forms a loop: {}", circle.join(" → "))]
    JumpCircle {
        /// Where the circle was entered.
        host: HostName,
        /// The hosts, in order; the last is the first.
        circle: Vec<String>,
    },
    /// An account that profiles of one host describe in two ways.
    #[error("host `{host}` has two descriptions of user `{name}`: one of {first}, one of {second}")]
    UserTwice {
        /// The host.
        host: HostName,
        /// The account.
        name: AccountName,
        /// Who brings the first.
        first: String,
        /// Who brings the second.
        second: String,
    },
    /// A key that must be beside another one.
    #[error("{item} `{name}` needs `{key}`")]
    Incomplete {
        /// Of which sort.
        item: Item,
        /// Its name.
        name: String,
        /// What is missing.
        key: &'static str,
        /// How to mend it.
        hint: &'static str,
    },
    /// More sources, services and probes over all hosts than fleet takes.
    #[error("the hosts have more than {max} sources, services and probes together")]
    TooManyItems {
        /// The limit.
        max: usize,
    },
}

impl Rule {
    /// How to mend it, in full sentences.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::TooLarge { .. } => "Check that this file is a fleet inventory.",
            Self::Empty => "`fleet init` writes an inventory to begin with.",
            Self::Syntax { .. } => {
                "Correct the file at that line. Text that begins with one of `* & ! | > % @ [ { #` or a backquote, and text that holds `: ` or ` #`, goes in quotes."
            }
            Self::Tab => "Indent with spaces.",
            Self::ManyDocuments => "Keep one document in the file, without `---` between parts.",
            Self::TooComplex => {
                "Use fewer aliases (`*name`), and put settings that hosts share into a profile."
            }
            Self::MergeKey => {
                "Put settings that hosts share into a profile or into `defaults`; set `env` and `access` on each host."
            }
            Self::UnknownKey {
                nearest: Some(nearest),
                ..
            } => return Some(did_you_mean(nearest)),
            Self::UnknownKey { known, .. } => {
                return Some(format!("Known here: `{}`.", known.join("`, `")));
            }
            Self::HostOnlyKey { key } => {
                return Some(format!(
                    "Set `{key}` on each host: write access is never inherited."
                ));
            }
            Self::DuplicateKey { .. } => "Remove one of the two, or give it another name.",
            Self::MissingKey { key: "version" } => {
                return Some(format!("Begin the file with `version: {VERSION}`."));
            }
            Self::MissingKey { key } => return Some(format!("Add `{key}`.")),
            Self::Unquoted { hint, .. } => hint,
            Self::WrongType { hint, .. } => return Some(hint.clone()),
            Self::OtherVersion { found } if *found > VERSION => "Install a newer fleet.",
            Self::OtherVersion { .. } => {
                return Some(format!("Write `version: {VERSION}`."));
            }
            Self::Name(_) => return None,
            Self::Value { hint, .. } => return Some(hint.to_string()),
            Self::ProdWritable { .. } => {
                "Remove `access: writable`: a prod host is never written. `prod`, `production`, `prd`, `live` and the words of `protect` mean prod, also as a piece, as in `prod-eu`."
            }
            Self::NoEnvWritable { .. } => {
                "Set its environment, as in `env: dev`, or remove `access: writable`."
            }
            Self::OneAddress { .. } => {
                "Remove one of the two hosts, correct its address, or give both the same access."
            }
            Self::OneName { .. } => {
                "Rename one of them: on a case-insensitive file system their checkpoints would share a directory."
            }
            Self::UnknownProfile {
                nearest: Some(nearest),
                ..
            } => return Some(did_you_mean(nearest)),
            Self::UnknownProfile { .. } => "Add it under `profiles`, or remove it from `use`.",
            Self::ProfileTwice { .. } => "Remove one of the two.",
            Self::ItemTwice { .. } => "Rename or remove one of the two.",
            Self::UserTwice { .. } => "Describe it the same way in both, or in one profile only.",
            Self::NotVouched { .. } => {
                "If the command changes nothing on the host, set `reads_only: true` on the source; otherwise remove it."
            }
            Self::NoKind { item, .. } => return Some(format!("Add one of {}.", item.kinds())),
            Self::TwoKinds { item, .. } => return Some(format!("Split it into two {item}s.")),
            Self::ForeignKey { item, owners, .. } => {
                return Some(format!(
                    "It belongs to `{}`. Remove it, or move it to a {item} of its own.",
                    owners.join("`, `")
                ));
            }
            Self::Incomplete { hint, .. } => hint,
            Self::JumpCircle { .. } => {
                "Change `jump` on one of them; `jump: none` reaches a host directly."
            }
            Self::TooManyItems { .. } => "Split the inventory.",
        };
        Some(text.to_owned())
    }
}

impl Problem {
    pub(super) fn new(place: Place, rule: Rule) -> Self {
        Self {
            place: Some(place),
            rule,
            also: None,
        }
    }

    pub(super) fn of_file(rule: Rule) -> Self {
        Self {
            place: None,
            rule,
            also: None,
        }
    }
}

impl Error {
    /// `problems` is not empty.
    pub(super) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    /// The file, as it was named.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Everything that is wrong, in the file's order; at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn tell(&self, f: &mut fmt::Formatter<'_>, problem: &Problem) -> fmt::Result {
        let file = self.file.display();
        match problem.place {
            Some(place) => write!(f, "{file}:{place}: {}", problem.rule)?,
            None => write!(f, "{file}: {}", problem.rule)?,
        }
        match problem.also {
            Some(place) => write!(f, " (see also {file}:{place})"),
            None => Ok(()),
        }
    }
}

/// One problem: a line. Several: how many, and a line for each.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.problems.as_slice() {
            return self.tell(f, problem);
        }
        let count = self.problems.len();
        write!(f, "{count} problems in {}", self.file.display())?;
        for problem in self.problems.iter().take(TOLD_MAX) {
            f.write_str("\n  ")?;
            self.tell(f, problem)?;
        }
        match count.checked_sub(TOLD_MAX) {
            Some(more @ 1..) => write!(f, "\n  and {more} more"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl Fault for Error {
    fn code(&self) -> Code {
        Code::InventoryInvalid
    }

    /// With several problems, each hint names its line.
    fn hint(&self) -> Option<String> {
        if let [problem] = self.problems.as_slice() {
            return problem.rule.hint();
        }
        let hints: Vec<String> = self
            .problems
            .iter()
            .take(TOLD_MAX)
            .filter_map(|problem| {
                let hint = problem.rule.hint()?;
                let line = problem.place?.line;
                Some(format!("Line {line}: {hint}"))
            })
            .collect();
        (!hints.is_empty()).then(|| hints.join("\n"))
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Usage
    }
}
