//! Runs doctor on many hosts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::event::{Event, Failure, HostEvent, Look, Sink};
use crate::fault::ExitClass;
use crate::health::doctor::{self, Finding, Grade};
use crate::interrupt::Interrupt;
use crate::inventory::Host;
use crate::name::HostName;
use crate::scan::{self, Preview};
use crate::ssh;

use super::fanout::fan_out;
use super::{Network, Selection, SelectionError};

/// What was found out about one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The host.
    pub host: HostName,
    /// `address:port` that was connected to; empty if it was not reached.
    pub address: String,
    /// The account; empty if it was not reached.
    pub user: String,
    /// Fingerprint of the host key; empty if it was not reached.
    pub host_key: String,
    /// What was looked at.
    pub findings: Vec<Finding>,
    /// What each source would read.
    pub sources: Vec<Preview>,
    /// Why it was not reached.
    pub failure: Option<Failure>,
}

impl Report {
    /// The exit status that this host asks for; none if checkpoints of it should work.
    #[must_use]
    pub fn exit_class(&self) -> Option<ExitClass> {
        if let Some(failure) = &self.failure {
            return Some(failure.problem.class);
        }
        let broken = self
            .findings
            .iter()
            .any(|finding| finding.grade == Grade::Broken)
            || self
                .sources
                .iter()
                .any(|s| matches!(s.found, scan::Found::Failed(_)));
        broken.then_some(ExitClass::Failed)
    }
}

/// What so many connections and their answers take is all that hundreds of hosts take at a time.
const HOSTS_AT_ONCE: usize = 32;

/// Connects to every selected host and looks at it, some at a time. Reads only.
///
/// # Errors
///
/// [`SelectionError`] if no host is meant; whatever happens to a host is in its [`Report`].
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub async fn run(
    selection: &Selection,
    network: &Arc<Network>,
    sink: &Sink,
) -> Result<Vec<Report>, SelectionError> {
    let hosts = selection.of(&network.inventory)?.into_iter().cloned();
    let reports = fan_out(hosts, HOSTS_AT_ONCE, &Interrupt::new(), |host| {
        let (network, sink) = (Arc::clone(network), Arc::clone(sink));
        async move { one(&host, &network, &sink).await }
    })
    .await;
    Ok(reports.into_iter().flatten().collect())
}

async fn one(host: &Host, network: &Network, sink: &Sink) -> Report {
    let name = &host.name;
    sink(Event::of(name, HostEvent::Started));
    match look(host, network, sink).await {
        Ok(report) => {
            sink(Event::of(name, Look::Ended));
            report
        }
        Err(error) => {
            let failure = Failure::of_host(name, &error);
            sink(Event::of(
                &failure.host,
                HostEvent::Failed {
                    failure: failure.clone(),
                },
            ));
            Report {
                host: name.clone(),
                address: String::new(),
                user: String::new(),
                host_key: String::new(),
                findings: Vec::new(),
                sources: Vec::new(),
                failure: Some(failure),
            }
        }
    }
}

async fn look(host: &Host, network: &Network, sink: &Sink) -> Result<Report, ssh::Error> {
    let endpoint = network.connector.endpoint(&network.inventory, host).await?;
    let (session, address) = network.reach_at(&endpoint, host).await?;
    sink(Event::of(
        &host.name,
        HostEvent::Connected {
            user: session.user().to_owned(),
            address: address.clone(),
        },
    ));
    let probe = scan::probe(&session, host.sources.iter().any(|source| source.sudo)).await?;
    let mut findings = doctor::ssh_config(&endpoint.warnings, &endpoint.notes);
    findings.extend(doctor::examine(&probe, Timestamp::now()));
    let sources = scan::preview(host, (&session, &probe), sink).await;
    let report = Report {
        host: host.name.clone(),
        address,
        user: session.user().to_owned(),
        host_key: session.host_key_fingerprint(),
        findings,
        sources,
        failure: None,
    };
    session.close().await;
    Ok(report)
}
