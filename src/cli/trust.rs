//! `fleet trust`

use std::path::PathBuf;
use std::sync::Arc;

use super::error::{Error, Stop};
use super::setup::Setup;
use super::{Status, ask, stop};
use crate::engine::{self, Interrupt, StopLevel};
use crate::fault::ExitClass;
use crate::inventory::{Host, Inventory};
use crate::name::HostName;
use crate::report::{Problem, Reporter, Style, Table, json};
use crate::ssh::known_hosts::{KnownHosts, Verdict};
use crate::ssh::{self, Endpoint, PublicKey, trust};

/// Look at a host's keys, and trust them after a person compared them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Shows every key that the host offers, and adds them to known_hosts once you typed the host's name.
Compare the fingerprints with the host itself first: on its console,
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub
Without a terminal, --fingerprint says that the comparison is done. A changed key is never replaced.

Examples:
  fleet trust dev-vm
  fleet trust dev-vm --fingerprint SHA256:Zk0Vu9rVvFyrXNhCvTOlxcCs3nGfl9MZqk6Rvg0vPfY")]
pub(super) struct Args {
    /// The host
    #[arg(value_name = "HOST")]
    host: HostName,

    /// One of its keys, as SHA256:…; then nothing is asked
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
}

/// A key as it is shown: algorithm, fingerprint, and the key itself.
struct Shown {
    algorithm: String,
    fingerprint: String,
    key: PublicKey,
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let inventory = setup.inventory()?;
    let host = engine::host(&inventory, &args.host)?;
    let (endpoint, keys) = look(setup, &inventory, host)?;
    for warning in &endpoint.warnings {
        setup.console.warning(warning);
    }
    let known = KnownHosts::read(&endpoint.known_hosts())
        .map_err(|(file, source)| Error::Read { file, source })?;
    for place in known.odd() {
        setup.console.warning(&format!(
            "{place} is no line of known_hosts and is passed over"
        ));
    }
    let known = known.of(&endpoint.lookup());
    let mut trusted = None;
    for shown in &keys {
        match known.judge(&shown.key) {
            Verdict::Trusted(place) => trusted = Some(place.file),
            Verdict::Unknown => {}
            // A host may show a further kind of key beside one that is known.
            Verdict::ChangedAlgorithm { .. } if is_trusted(&known, &keys) => {}
            verdict @ (Verdict::Changed { .. }
            | Verdict::ChangedAlgorithm { .. }
            | Verdict::Revoked(_)
            | Verdict::Unchecked(_)
            | Verdict::BadCertificate { .. }) => {
                return Err(Stop(refusal(&host.name, &endpoint, shown, &verdict)));
            }
        }
    }
    if let Some(file) = trusted {
        setup.console.remark(&format!(
            "{} is trusted already: {} in {}",
            host.name,
            endpoint.lookup(),
            file.display()
        ));
        return told(setup, host, &endpoint, &keys, true, Some(file));
    }
    let file = trust::target(&endpoint)?;
    confirm(args, setup, host, &endpoint, &keys, &file)?;
    let new: Vec<PublicKey> = keys.iter().map(|shown| shown.key.clone()).collect();
    let style = if endpoint.hash_known_hosts {
        trust::Names::Hashed
    } else {
        trust::Names::Plain
    };
    trust::append(&file, &[endpoint.lookup()], &new, style)?;
    setup.console.remark(&format!(
        "added {} to {}",
        crate::report::count(new.len() as u64, "key"),
        file.display()
    ));
    told(setup, host, &endpoint, &keys, false, Some(file))
}

fn is_trusted(known: &ssh::known_hosts::Known<'_>, keys: &[Shown]) -> bool {
    keys.iter()
        .any(|shown| matches!(known.judge(&shown.key), Verdict::Trusted(_)))
}

/// Where the host is, and every key that it shows.
fn look(setup: &Setup, inventory: &Inventory, host: &Host) -> Result<(Endpoint, Vec<Shown>), Stop> {
    let reporter = Reporter::new(Arc::clone(&setup.console), Style::Silent, 1);
    let connector = setup.connector(&reporter);
    let interrupt = Interrupt::new();
    let wish = interrupt.clone();
    let ended = stop::run(&interrupt, || {}, async {
        let looked = async {
            let endpoint = connector.endpoint(inventory, host).await?;
            let keys = connector.offered_keys(&endpoint, host.limits).await?;
            Ok::<_, ssh::Error>((endpoint, keys))
        };
        tokio::select! {
            looked = looked => Some(looked),
            () = wish.reached(StopLevel::Soon) => None,
        }
    })?;
    let (endpoint, keys) = ended.flatten().ok_or(Error::Stopped)??;
    let keys = keys.into_iter().map(|key| Shown {
        algorithm: key.algorithm().to_string(),
        fingerprint: ssh::known_hosts::fingerprint(&key),
        key,
    });
    Ok((endpoint, keys.collect()))
}

/// Returns only if a person, or a fingerprint that a person gave, says that the keys are right.
fn confirm(
    args: &Args,
    setup: &Setup,
    host: &Host,
    endpoint: &Endpoint,
    keys: &[Shown],
    file: &std::path::Path,
) -> Result<(), Stop> {
    let name = || host.name.clone();
    let pairs = || {
        let pairs = keys.iter();
        pairs
            .map(|shown| (shown.algorithm.clone(), shown.fingerprint.clone()))
            .collect()
    };
    if let Some(wanted) = &args.fingerprint {
        let fits = keys.iter().any(|shown| shown.fingerprint == *wanted);
        return if fits {
            Ok(())
        } else {
            Err(Error::OtherFingerprint {
                host: name(),
                wanted: wanted.clone(),
                keys: pairs(),
            }
            .into())
        };
    }
    if !setup.console.can_ask() {
        return Err(Error::NobodyToAsk {
            host: name(),
            keys: pairs(),
            file: file.to_owned(),
        }
        .into());
    }
    let mut table = Table::new(&["KEY", "FINGERPRINT"]);
    for shown in keys {
        table.row(
            anstyle::Style::new(),
            [&shown.algorithm, &shown.fingerprint],
        );
    }
    setup.console.show(&format!(
        "{} at {} shows these keys. They would be added to {} as {}.\n\n{}\n",
        host.name,
        endpoint.place(),
        file.display(),
        endpoint.lookup(),
        table.shown()
    ));
    let prompt = format!("Type the host's name to trust them ({}):", host.name);
    match ask::line(&setup.console, &prompt) {
        Some(typed) if typed == host.name.as_str() => Ok(()),
        Some(_) | None => Err(Error::NotConfirmed { host: name() }.into()),
    }
}

fn refusal(host: &HostName, endpoint: &Endpoint, shown: &Shown, verdict: &Verdict) -> Problem {
    let lookup = endpoint.lookup();
    let remove = |file: &PathBuf| {
        format!(
            "If the host was rebuilt and its console shows this fingerprint, remove the old key with `ssh-keygen -R '{lookup}' -f {}` and run `fleet trust {host}` again. If not, something else answers in its place.",
            file.display()
        )
    };
    let (message, hint) = match verdict {
        Verdict::Changed { place, known } | Verdict::ChangedAlgorithm { place, known, .. } => (
            format!(
                "the host key of {host} has changed: it shows {} ({}), and {place} knows {known}",
                shown.fingerprint, shown.algorithm
            ),
            Some(remove(&place.file)),
        ),
        Verdict::Revoked(place) => (
            format!(
                "the host key {} of {host} is revoked in {place}",
                shown.fingerprint
            ),
            Some("A revoked key is never trusted; give the host new keys.".to_owned()),
        ),
        Verdict::BadCertificate { place, why } => (
            format!("the host certificate of {host} is not good: {why} ({place})"),
            None,
        ),
        Verdict::Trusted(_) | Verdict::Unknown | Verdict::Unchecked(_) => (format!("can't trust {host}"), None),
    };
    Problem::new(ExitClass::Unreachable, message, hint)
}

fn told(
    setup: &Setup,
    host: &Host,
    endpoint: &Endpoint,
    keys: &[Shown],
    already_trusted: bool,
    file: Option<PathBuf>,
) -> Status {
    if setup.console.is_json() {
        setup.console.event(&json::Trust {
            host: host.name.to_string(),
            lookup: endpoint.lookup(),
            already_trusted,
            file: file.map(|file| file.display().to_string()),
            keys: keys
                .iter()
                .map(|shown| json::KeyOffered {
                    algorithm: shown.algorithm.clone(),
                    fingerprint: shown.fingerprint.clone(),
                })
                .collect(),
            ..json::Trust::default()
        })?;
    }
    Ok(None)
}
