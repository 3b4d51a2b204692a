//! Handshakes: the bytes underneath, the algorithms that are asked for, and what a refusal means.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use russh::client::Config;
use russh::keys::PublicKey;
use russh::{ChannelOpenFailure, Preferred};

use crate::ssh::config::resolve::{Endpoint, Hop};
use crate::ssh::connection::callbacks::{Callbacks, Handle, Trust};
use crate::ssh::connection::clock::Clock;
use crate::ssh::connection::connector::{Connection, Connector};
use crate::ssh::connection::dial::{dial, may_pass};
use crate::ssh::connection::identification::{greet, window_bytes};
use crate::ssh::connection::proxy_command;
use crate::ssh::connection::refusal::{HostKeyProblem, HostKeyRefusal};
use crate::ssh::connection::state::Link;
use crate::ssh::connection::transport::{ChannelStream, Cuttable, Stream};
use crate::ssh::error::{Attempts, Cause, Error, ForwardRefusal};
use crate::ssh::host_keys::known_hosts::{KnownHosts, Verdict, fingerprint};

impl Connector {
    /// TCP, or what stands for it, then identification and key exchange, all within one limit.
    pub(in crate::ssh) async fn shake_hands(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        link: &Arc<Link>,
        trust: Trust,
        preferred: Preferred,
        clock: &Clock,
    ) -> Result<Handle, Failed> {
        let work = async {
            let stream = stream(endpoint, through, link).await?;
            let stream = Cuttable::new(stream, link.switch(), link.left());
            let callbacks = Callbacks {
                link: Arc::clone(link),
                trust,
            };
            let mut config = self.client_config(preferred);
            let (stream, round_trip) = greet(stream, &config.client_id, |line| link.hear(line))
                .await
                .map_err(|error| Failed::Ssh(error.into()))?;
            if stream.is_too_old() {
                return Err(Failed::Ssh(russh::Error::Version));
            }
            config.window_size = window_bytes(round_trip, through.is_some());
            tracing::debug!(
                host = endpoint.name,
                ?round_trip,
                window_bytes = config.window_size
            );
            russh::client::connect_stream(Arc::new(config), stream, callbacks)
                .await
                .map_err(Failed::Ssh)
        };
        match clock.limit(work).await {
            Ok(Err(Failed::Known(error, quick))) => {
                Err(Failed::Known(error.with_words(link.words().await), quick))
            }
            Ok(done) => done,
            Err(_) => {
                let error = no_connection(endpoint, Cause(clock.why()));
                link.end(error.clone());
                let error = error.with_words(link.words().await);
                Err(Failed::Known(error, Quick(false)))
            }
        }
    }

    /// What a failed handshake means: a host key that isn't trusted, or no connection.
    pub(in crate::ssh) async fn refusal(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        known: &KnownHosts,
        link: &Link,
        error: russh::Error,
        clock: &Clock,
    ) -> (Error, Quick) {
        match link.verdict() {
            Some(Verdict::Protected(source)) => return slow(Error::Protected(source)),
            Some(Verdict::Unchecked(source)) => {
                return slow(Error::HostKeyCheck {
                    host: endpoint.name.clone(),
                    source: Box::new(source),
                });
            }
            Some(_) | None => {}
        }
        let lookup = endpoint.lookup();
        let of = known.of(&lookup);
        if let (russh::Error::UnknownKey, Some(shown), Some(verdict)) =
            (&error, link.shown(), link.verdict())
            && let Some(problem) = problem(verdict)
        {
            return slow(refused(endpoint, lookup, &shown, problem));
        }
        // The host has none of the kinds that are known for it. Look at what it has.
        if let russh::Error::NoCommonAlgo {
            kind: russh::AlgorithmKind::Key,
            ..
        } = &error
            && let Some((place, algorithm, known)) = of.first()
        {
            let all = crate::ssh::host_keys::known_hosts::all_algorithms();
            let algorithms = &endpoint.rules.algorithms;
            let all = algorithms.preferred(algorithms.host_keys(all), Vec::new());
            if let Ok(Some(shown)) = self.look(endpoint, through, all, clock).await {
                return slow(refused(
                    endpoint,
                    lookup,
                    &shown,
                    HostKeyProblem::ChangedAlgorithm {
                        place,
                        algorithm,
                        known,
                    },
                ));
            }
        }
        let quick = Quick(
            matches!(&error, russh::Error::HUP | russh::Error::Disconnect)
                || matches!(&error, russh::Error::IO(error) if may_pass(error.kind()) || error.kind() == ErrorKind::UnexpectedEof),
        );
        // A host that says why it ends the connection does so ahead of the end.
        let why = match (&error, link.reason()) {
            (russh::Error::Disconnect | russh::Error::HUP, Some(Error::Lost { source, .. })) => {
                source
            }
            _ => Cause::from(&error),
        };
        let error = no_connection(endpoint, why).with_words(link.words().await);
        (error, quick)
    }

    /// The key that a host shows when it is asked for one of `preferred`; none if it has none.
    pub(in crate::ssh) async fn look(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        preferred: Preferred,
        clock: &Clock,
    ) -> Result<Option<PublicKey>, Error> {
        let link = Link::new(&endpoint.name);
        let shaken = self
            .shake_hands(endpoint, through, &link, Trust::Look, preferred, clock)
            .await;
        match shaken {
            Err(Failed::Ssh(russh::Error::NoCommonAlgo { .. })) => Ok(None),
            Err(Failed::Ssh(error)) => match link.shown() {
                Some(shown) => Ok(Some(shown)),
                None => {
                    let words = link.words().await;
                    Err(no_connection(endpoint, Cause::from(&error)).with_words(words))
                }
            },
            Err(Failed::Known(error, _)) => Err(error),
            // A key that nobody trusts never makes a connection.
            Ok(_) => Ok(link.shown()),
        }
    }

    fn client_config(&self, preferred: Preferred) -> Config {
        Config {
            maximum_packet_size: 65_535,
            channel_buffer_size: 32,
            nodelay: true,
            keepalive_interval: Some(self.options.keepalive),
            keepalive_max: 3,
            inactivity_timeout: None,
            preferred,
            // Rekeying is left to the server: while the client's own is under way, it takes only
            // twice its window, and parallel channels send more than that.
            limits: russh::Limits {
                rekey_read_limit: 32 << 30,
                rekey_write_limit: 32 << 30,
                rekey_time_limit: Duration::from_secs(24 * 60 * 60),
            },
            ..Config::default()
        }
    }
}

/// A failure that came at once may pass; one that took its time took the operator's time too.
pub(in crate::ssh) struct Quick(pub(in crate::ssh) bool);

/// How a handshake failed.
pub(in crate::ssh) enum Failed {
    Known(Error, Quick),
    Ssh(russh::Error),
}

pub(in crate::ssh) fn slow(error: Error) -> (Error, Quick) {
    (error, Quick(false))
}

fn no_connection(endpoint: &Endpoint, why: Cause) -> Error {
    Error::Connect {
        host: endpoint.name.clone(),
        address: endpoint.place(),
        attempts: Attempts::default(),
        source: why.into(),
    }
}

fn problem(verdict: Verdict) -> Option<HostKeyProblem> {
    match verdict {
        Verdict::Trusted(_) => None,
        Verdict::Unknown => Some(HostKeyProblem::Unknown),
        Verdict::Changed { place, known } => Some(HostKeyProblem::Changed { place, known }),
        Verdict::ChangedAlgorithm {
            place,
            algorithm,
            known,
        } => Some(HostKeyProblem::ChangedAlgorithm {
            place,
            algorithm,
            known,
        }),
        Verdict::Revoked(place) => Some(HostKeyProblem::Revoked { place }),
        Verdict::Short { bits, min } => Some(HostKeyProblem::Short { bits, min }),
        Verdict::BadCertificate { place, why } => Some(HostKeyProblem::Certificate { place, why }),
        // No problem of the key; see [`Connector::refusal`].
        Verdict::Unchecked(_) | Verdict::Protected(_) => None,
    }
}

fn refused(
    endpoint: &Endpoint,
    lookup: String,
    shown: &PublicKey,
    problem: HostKeyProblem,
) -> Error {
    Error::HostKey(Box::new(HostKeyRefusal {
        host: endpoint.name.clone(),
        lookup,
        algorithm: shown.algorithm().to_string(),
        shown: fingerprint(shown),
        problem,
    }))
}

/// The bytes under the connection.
async fn stream(
    endpoint: &Endpoint,
    through: Option<&Connection>,
    link: &Arc<Link>,
) -> Result<Box<dyn Stream>, Failed> {
    let failed = |error: std::io::Error| {
        let quick = Quick(may_pass(error.kind()));
        Failed::Known(no_connection(endpoint, error.into()), quick)
    };
    match (&endpoint.hop, through) {
        (Some(Hop::Command(command)), _) => Ok(Box::new(
            proxy_command::start(command, link).map_err(failed)?,
        )),
        (Some(Hop::Descriptor(command)), _) => Ok(Box::new(
            proxy_command::receive(command, link)
                .await
                .map_err(failed)?,
        )),
        (Some(Hop::Jump(jump)), Some(bastion)) => {
            let opened = bastion
                .handle
                .channel_open_direct_tcpip(
                    endpoint.address.clone(),
                    u32::from(endpoint.port),
                    "127.0.0.1",
                    0,
                )
                .await;
            match opened {
                Ok(channel) => Ok(Box::new(ChannelStream::hop(
                    channel,
                    Arc::clone(&bastion.link),
                ))),
                Err(russh::Error::ChannelOpenFailure(why)) => {
                    let why = match why {
                        ChannelOpenFailure::AdministrativelyProhibited => {
                            ForwardRefusal::Prohibited
                        }
                        ChannelOpenFailure::ConnectFailed => ForwardRefusal::Unreachable,
                        ChannelOpenFailure::UnknownChannelType
                        | ChannelOpenFailure::ResourceShortage
                        | ChannelOpenFailure::Other { .. } => ForwardRefusal::Other,
                    };
                    Err(Failed::Known(
                        Error::Forward {
                            host: endpoint.name.clone(),
                            via: jump.name.clone(),
                            address: endpoint.place(),
                            source: why,
                        },
                        Quick(false),
                    ))
                }
                Err(_) => Err(Failed::Known(
                    Error::Hop {
                        host: endpoint.name.clone(),
                        via: jump.name.clone(),
                        source: Arc::new(bastion.link.ended()),
                    },
                    Quick(false),
                )),
            }
        }
        (Some(Hop::Jump(_)), None) | (None, _) => {
            let stream = dial(&endpoint.address, endpoint.port, &endpoint.rules)
                .await
                .map_err(|error| {
                    Failed::Known(
                        no_connection(endpoint, Cause(error.why)),
                        Quick(error.may_pass),
                    )
                })?;
            stream.set_nodelay(true).map_err(failed)?;
            Ok(Box::new(stream))
        }
    }
}
