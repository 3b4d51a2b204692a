//! `fleet trust`

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use super::{ask, signals};
use crate::engine;
use crate::fault::{Code, ExitClass, Problem, chain};
use crate::interrupt::{Interrupt, StopLevel};
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::report::{Reporter, Style, Table, json};
use crate::ssh::Connector;
use crate::ssh::Endpoint;
use crate::ssh::HostKeyCheck;
use crate::ssh::NotLearned;
use crate::ssh::PublicKey;
use crate::ssh::host_keys::known_hosts::{Place, Verdict, fingerprint};
use crate::ssh::host_keys::trust;

/// Show a host's keys, and trust the one that you compared
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Shows the keys that the host offers, and adds the one that you compared to known_hosts. Compare its fingerprint with the host itself first: on its console,
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

Keys of other types are added only if the host proves them on a connection that the compared key \
authenticates. That requires a login without questions; otherwise they are left out.

Without a terminal, give the fingerprint that you compared with --fingerprint. It is checked even if \
the host is already trusted: exit 5 if the host has no such key. A changed key is never replaced.

Examples:
  fleet trust dev-vm
  fleet trust dev-vm --fingerprint SHA256:Zk0Vu9rVvFyrXNhCvTOlxcCs3nGfl9MZqk6Rvg0vPfY")]
pub(super) struct Args {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// The fingerprint that you compared, as SHA256:…; no question is asked
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
}

/// A key as it is shown: algorithm, fingerprint, and the key itself.
struct Shown {
    algorithm: String,
    fingerprint: String,
    key: PublicKey,
}

impl From<PublicKey> for Shown {
    fn from(key: PublicKey) -> Self {
        Self {
            algorithm: key.algorithm().to_string(),
            fingerprint: fingerprint(&key),
            key,
        }
    }
}

/// The host, and what it has shown.
struct Seen {
    endpoint: Endpoint,
    check: HostKeyCheck,
    /// Each key with the file that trusts it already.
    keys: Vec<(Shown, Option<PathBuf>)>,
}

/// What is to be written, decided before anything is.
struct Plan {
    seen: Seen,
    /// The file, and what is added to it; none: the host is trusted already.
    addition: Option<Addition>,
}

struct Addition {
    file: PathBuf,
    compared: usize,
    further: Result<Vec<Shown>, NotLearned>,
}

/// One run of the verb.
struct Run<'a> {
    args: &'a Args,
    setup: &'a Setup,
    inventory: &'a Inventory,
    host: &'a Host,
    connector: &'a Connector,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let inventory = setup.inventory()?;
    let host = engine::host(&inventory, &args.host)?;
    let reporter = Reporter::new(Arc::clone(&setup.console), Style::Silent, 1);
    let connector = setup.connector(&reporter);
    let interrupt = Interrupt::new();
    let wish = interrupt.clone();
    let run = Run {
        args,
        setup,
        inventory: &inventory,
        host,
        connector: &connector,
    };
    let ended = signals::run(&interrupt, || {}, async {
        tokio::select! {
            plan = run.plan() => Some(plan),
            // Nothing is written before there is a plan.
            () = wish.reached(StopLevel::Soon) => None,
        }
    })?;
    let plan = ended.flatten().ok_or(Error::Stopped)??;
    run.carry_out(&plan)
}

impl Run<'_> {
    /// Looks at the host, lets a key be compared, and has further ones proven. Writes nothing.
    async fn plan(&self) -> Result<Plan, VerbError> {
        let seen = self.look().await?;
        let trusted = seen.keys.iter().any(|(_, file)| file.is_some());
        let compared = match (&self.args.fingerprint, trusted) {
            (Some(wanted), _) => self.find(&seen, wanted.trim())?,
            (None, true) => {
                let addition = None;
                return Ok(Plan { seen, addition });
            }
            (None, false) => {
                let file = trust::target(&seen.endpoint)?;
                self.ask(&seen, &file).await?
            }
        };
        if seen.keys[compared].1.is_some() {
            let addition = None;
            return Ok(Plan { seen, addition });
        }
        let file = trust::target(&seen.endpoint)?;
        let further = self.learn(&seen, compared).await;
        let addition = Some(Addition {
            file,
            compared,
            further,
        });
        Ok(Plan { seen, addition })
    }

    /// Where the host is, every key that it shows, and what is known of them.
    async fn look(&self) -> Result<Seen, VerbError> {
        let endpoint = self.connector.endpoint(self.inventory, self.host).await?;
        for warning in &endpoint.warnings {
            self.setup.console.warning(warning);
        }
        for file in endpoint.known_hosts() {
            self.setup.look("known_hosts file", &file);
        }
        let check = HostKeyCheck::of(&endpoint).await?;
        for place in check.known().odd() {
            self.setup.console.warning(&format!(
                "{place} is not a valid line of known_hosts and is ignored"
            ));
        }
        let offered = self
            .connector
            .offered_keys(&endpoint, self.host.limits)
            .await?;
        let mut judged = Vec::new();
        for key in offered {
            let verdict = check.judge(&key.clone().into()).await;
            judged.push((Shown::from(key), verdict));
        }
        let is_trusted = judged
            .iter()
            .any(|(_, verdict)| matches!(verdict, Verdict::Trusted(_)));
        let mut keys = Vec::new();
        for (shown, verdict) in judged {
            let file = match verdict {
                Verdict::Trusted(place) => Some(place.file),
                Verdict::Unknown => None,
                // A host may show a further kind of key beside one that is known.
                Verdict::ChangedAlgorithm { .. } if is_trusted => None,
                Verdict::Unchecked(failure) => return Err(check.failed(failure).into()),
                verdict @ (Verdict::Changed { .. }
                | Verdict::ChangedAlgorithm { .. }
                | Verdict::Revoked(_)
                | Verdict::Short { .. }
                | Verdict::BadCertificate { .. }
                | Verdict::Protected(_)) => {
                    return Err(VerbError(refusal(
                        &self.host.name,
                        &endpoint,
                        &shown,
                        &verdict,
                    )));
                }
            };
            keys.push((shown, file));
        }
        Ok(Seen {
            endpoint,
            check,
            keys,
        })
    }

    /// The key that has the fingerprint which a person compared.
    fn find(&self, seen: &Seen, wanted: &str) -> Result<usize, Error> {
        let mut keys = seen.keys.iter();
        keys.position(|(shown, _)| shown.fingerprint == wanted)
            .ok_or_else(|| Error::OtherFingerprint {
                host: self.host.name.clone(),
                wanted: wanted.to_owned(),
                keys: pairs(seen),
            })
    }

    /// The key that a person compares now.
    async fn ask(&self, seen: &Seen, file: &Path) -> Result<usize, VerbError> {
        let console = &self.setup.console;
        let name = &self.host.name;
        if seen.keys.is_empty() || !console.can_ask() {
            return Err(Error::NobodyToAsk {
                host: name.clone(),
                keys: pairs(seen),
                file: file.to_owned(),
            }
            .into());
        }
        let mut table = Table::new(&["KEY", "FINGERPRINT"]);
        for (shown, _) in &seen.keys {
            table.row(
                anstyle::Style::new(),
                [&shown.algorithm, &shown.fingerprint],
            );
        }
        console.show(&format!(
            "{name} at {} shows:\n\n{}\nThe key that you compare is added to {} as {}.\n",
            seen.endpoint.place(),
            table.shown(),
            file.display(),
            seen.endpoint.lookup(),
        ));
        let prompt = if seen.keys.len() == 1 {
            format!("Type the host's name if it has this fingerprint ({name}):")
        } else {
            console.show("Keys of other kinds are added if the host proves them after login.\n");
            format!(
                "Type the host's name if it has the first fingerprint ({name}), or the fingerprint that you compared:"
            )
        };
        let typed = ask::line(console, &prompt).await;
        let typed = typed.as_deref().unwrap_or_default();
        if typed == name.as_str() {
            return Ok(0);
        }
        let mut keys = seen.keys.iter();
        keys.position(|(shown, _)| shown.fingerprint == typed)
            .ok_or_else(|| Error::NotConfirmed { host: name.clone() }.into())
    }

    /// Keys of other kinds, if the host offers any: those that it proves.
    async fn learn(&self, seen: &Seen, compared: usize) -> Result<Vec<Shown>, NotLearned> {
        if seen.keys.len() == 1 {
            return Ok(Vec::new());
        }
        let offered: Vec<PublicKey> = seen
            .keys
            .iter()
            .map(|(shown, _)| shown.key.clone())
            .collect();
        let further = self
            .connector
            .further_keys(
                &seen.endpoint,
                self.host.limits,
                &offered[compared],
                &offered,
                &seen.check,
            )
            .await?;
        Ok(further.into_iter().map(Shown::from).collect())
    }

    /// Writes what was decided, in one go, and tells it.
    fn carry_out(&self, plan: &Plan) -> Status {
        let Plan { seen, addition } = plan;
        let Some(addition) = addition else {
            let file = seen.keys.iter().find_map(|(_, file)| file.clone());
            if let Some(file) = &file {
                self.setup.console.remark(&format!(
                    "{} is trusted already: {} in {}",
                    self.host.name,
                    seen.endpoint.lookup(),
                    file.display()
                ));
            }
            return self.tell(seen, &[], file, None);
        };
        let style = if seen.endpoint.hash_known_hosts {
            trust::Names::Hashed
        } else {
            trust::Names::Plain
        };
        let compared = &seen.keys[addition.compared].0;
        let further = addition.further.as_deref().unwrap_or_default();
        let added: Vec<&Shown> = std::iter::once(compared).chain(further).collect();
        let keys: Vec<PublicKey> = added.iter().map(|shown| shown.key.clone()).collect();
        trust::append(&addition.file, &[seen.endpoint.lookup()], &keys, style)?;
        let console = &self.setup.console;
        console.remark(&format!(
            "added {} {} to {}",
            compared.algorithm,
            compared.fingerprint,
            addition.file.display()
        ));
        for shown in further {
            console.remark(&format!(
                "added {} {}, which {} proved",
                shown.algorithm, shown.fingerprint, self.host.name
            ));
        }
        let left_out = left_out(seen, &added, addition.further.as_ref().err());
        if let Some(text) = &left_out {
            console.remark(text);
        }
        self.tell(seen, &added, Some(addition.file.clone()), left_out)
    }

    fn tell(
        &self,
        seen: &Seen,
        added: &[&Shown],
        file: Option<PathBuf>,
        left_out: Option<String>,
    ) -> Status {
        if self.setup.console.is_json() {
            let shown = seen.keys.iter().map(|(shown, _)| shown);
            let unseen = added.iter().copied().filter(|added| {
                let mut keys = seen.keys.iter();
                keys.all(|(shown, _)| shown.fingerprint != added.fingerprint)
            });
            self.setup.console.event(&json::Trust {
                host: self.host.name.to_string(),
                lookup: seen.endpoint.lookup(),
                already_trusted: added.is_empty(),
                file: file.map(|file| file.display().to_string()),
                keys: shown
                    .chain(unseen)
                    .map(|shown| json::KeyOffered {
                        algorithm: shown.algorithm.clone(),
                        fingerprint: shown.fingerprint.clone(),
                        added: is_among(added, shown),
                    })
                    .collect(),
                left_out,
                ..json::Trust::default()
            })?;
        }
        Ok(None)
    }
}

fn is_among(keys: &[&Shown], shown: &Shown) -> bool {
    keys.iter().any(|key| key.fingerprint == shown.fingerprint)
}

/// Algorithms and fingerprints.
fn pairs(seen: &Seen) -> Vec<(String, String)> {
    let keys = seen.keys.iter();
    keys.map(|(shown, _)| (shown.algorithm.clone(), shown.fingerprint.clone()))
        .collect()
}

/// Which keys of those that the host has shown are not trusted now, and why.
fn left_out(seen: &Seen, added: &[&Shown], why: Option<&NotLearned>) -> Option<String> {
    let left: Vec<&str> = seen
        .keys
        .iter()
        .filter(|(shown, file)| file.is_none() && !is_among(added, shown))
        .map(|(shown, _)| shown.algorithm.as_str())
        .collect();
    if left.is_empty() {
        return None;
    }
    let why = match why {
        Some(why) => chain(why).join(": "),
        None => "the host did not prove that it has them".to_owned(),
    };
    Some(format!("left out {}: {why}", left.join(", ")))
}

fn refusal(host: &HostName, endpoint: &Endpoint, shown: &Shown, verdict: &Verdict) -> Problem {
    let lookup = endpoint.lookup();
    let remove = |place: &Place| {
        format!(
            "If the host was rebuilt and its console shows this fingerprint, {} and run `fleet trust {host}` again. If not, something else answers in its place.",
            place.removal(&lookup)
        )
    };
    let (code, message, hint) = match verdict {
        Verdict::Changed { place, known } | Verdict::ChangedAlgorithm { place, known, .. } => (
            Code::HostKeyChanged,
            format!(
                "the host key of {host} has changed: it shows {} ({}), and {place} knows {known}",
                shown.fingerprint, shown.algorithm
            ),
            Some(remove(place)),
        ),
        Verdict::Revoked(place) => (
            Code::HostKeyRevoked,
            format!(
                "the host key {} of {host} is revoked in {place}",
                shown.fingerprint
            ),
            Some("A revoked key is never trusted; give the host new keys.".to_owned()),
        ),
        Verdict::BadCertificate { place, why } => (
            Code::HostKeyRefused,
            format!("the host certificate of {host} is not good: {why} ({place})"),
            None,
        ),
        Verdict::Short { bits, min } => (
            Code::HostKeyRefused,
            format!(
                "the host key {} of {host} has {bits} bits, `RequiredRSASize` of ssh_config requires {min}",
                shown.fingerprint
            ),
            None,
        ),
        // A key is looked at to be trusted, and nothing is written: no key is refused for its machine.
        Verdict::Trusted(_) | Verdict::Unknown | Verdict::Unchecked(_) | Verdict::Protected(_) => {
            (Code::HostKeyUnchecked, format!("can't trust {host}"), None)
        }
    };
    Problem::new(code, ExitClass::Unreachable, message, hint)
}
