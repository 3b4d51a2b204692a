//! Opens connections: one a host, one a bastion, never too many handshakes at once.
//!
//! A host key is checked before anything else is said; nothing here turns that off.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use russh::client::Config;
use russh::keys::{Algorithm, PublicKey};
use russh::{ChannelOpenFailure, Disconnect, Preferred, cipher};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::auth::log_in;
use super::error::{Cause, Error, ForwardRefusal, HostKeyProblem, HostKeyRefusal};
use super::known_hosts::{KnownHosts, Verdict, fingerprint};
use super::link::{Callbacks, Handle, Link, Trust};
use super::options::Options;
use super::prompts::Prompts;
use super::resolve::{Endpoint, Hop, SshConfig};
use super::session::{ReadSession, Shared};
use super::transport::{CommandStream, Cuttable, HopStream, Stream};
use crate::inventory::{Host, Inventory, Limits};

/// Attempts to connect when the refusals are quick.
const ATTEMPTS_MAX: u32 = 3;

/// Bytes that a channel may have on the way; less starves networks with a long round trip.
const WINDOW_BYTES: u32 = 6 << 20;

/// Opens connections for a whole run.
pub struct Connector {
    config: SshConfig,
    options: Options,
    prompts: Arc<Prompts>,
    handshakes: Semaphore,
    /// The bastions in use, behind an asynchronous lock each: fifty hosts wait for one connection.
    bastions: Mutex<HashMap<String, Arc<Mutex<Slot>>>>,
}

/// A bastion's place: its connection while anybody uses it, or how the last attempt failed.
#[derive(Default)]
struct Slot {
    open: Weak<Connection>,
    handshakes: Option<Arc<Semaphore>>,
    failed: Option<(Instant, Error)>,
}

/// One authenticated connection. Dropping it ends everything on it.
pub(super) struct Connection {
    pub(super) handle: Handle,
    pub(super) link: Arc<Link>,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) host_key: PublicKey,
    pub(super) limits: Limits,
    pub(super) sessions: Arc<Semaphore>,
    /// The connection underneath lives at least as long.
    _through: Option<Arc<Connection>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.end(Error::Stopped {
            host: self.name.clone(),
        });
    }
}

impl Connection {
    /// Says goodbye, waits a moment for that to leave, and ends everything.
    pub(super) async fn close(&self) {
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        // A peer that is gone hears no goodbye, and none is owed to it.
        drop(tokio::time::timeout(Duration::from_secs(1), goodbye).await);
        let mut switch = self.link.switch();
        drop(tokio::time::timeout(Duration::from_secs(1), switch.wait_for(|cut| *cut)).await);
        self.link.end(Error::Stopped {
            host: self.name.clone(),
        });
    }
}

impl Connector {
    /// A connector for one run.
    #[must_use]
    pub fn new(config: SshConfig, options: Options) -> Self {
        Self {
            config,
            prompts: Arc::new(Prompts::new(options.prompter.clone())),
            handshakes: Semaphore::new(options.handshakes_max.max(1)),
            bastions: Mutex::new(HashMap::new()),
            options,
        }
    }

    /// How `host` would be reached.
    ///
    /// # Errors
    ///
    /// [`Error::Resolve`].
    pub async fn endpoint(&self, inventory: &Inventory, host: &Host) -> Result<Endpoint, Error> {
        self.config.resolve(inventory, host).await
    }

    /// Connects to `host`, logs in, and gives a session that can only read.
    ///
    /// Quick refusals are tried again within twice the host's `connect_timeout`; a host that hangs
    /// is given up after one `connect_timeout` for the connection and one for each login step.
    ///
    /// # Errors
    ///
    /// Any [`Error`] up to and including authentication.
    ///
    /// # Cancel
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn connect(&self, inventory: &Inventory, host: &Host) -> Result<ReadSession, Error> {
        let endpoint = self.endpoint(inventory, host).await?;
        self.connect_to(&endpoint, host.limits).await
    }

    /// Connects to where `endpoint` says.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`].
    pub async fn connect_to(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
    ) -> Result<ReadSession, Error> {
        let connection = self.open(endpoint, limits).await?;
        Ok(ReadSession::new(
            connection,
            Shared {
                prompts: Arc::clone(&self.prompts),
            },
        ))
    }

    async fn open(&self, endpoint: &Endpoint, limits: Limits) -> Result<Arc<Connection>, Error> {
        for warning in &endpoint.warnings {
            tracing::warn!("{warning}");
        }
        let begun = Instant::now();
        let mut attempt = 1;
        let mut pause = self.options.retry_pause;
        loop {
            match self.open_once(endpoint, limits).await {
                Ok(connection) => return Ok(Arc::new(connection)),
                Err((error, Quick(true)))
                    if attempt < ATTEMPTS_MAX
                        && begun.elapsed() + pause < limits.connect_timeout * 2 =>
                {
                    tracing::debug!(host = endpoint.name, attempt, "{error}");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                    pause *= 4;
                }
                Err((error, _)) => return Err(error),
            }
        }
    }

    async fn open_once(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
    ) -> Result<Connection, (Error, Quick)> {
        let known = read_known_hosts(endpoint).await.map_err(slow)?;
        let (through, bastion_places) = match &endpoint.hop {
            Some(Hop::Jump(jump)) => {
                let (connection, places) =
                    Box::pin(self.bastion(jump, limits))
                        .await
                        .map_err(|error| {
                            slow(Error::Hop {
                                host: endpoint.name.clone(),
                                via: jump.name.clone(),
                                source: Arc::new(error),
                            })
                        })?;
                (Some(connection), Some(places))
            }
            Some(Hop::Command(_)) | None => (None, None),
        };
        let _place = self.handshakes.acquire().await;
        let _bastion_place = match &bastion_places {
            Some(places) => Some(places.acquire().await),
            None => None,
        };
        let lookup = endpoint.lookup();
        let of = known.of(&lookup);
        let preferred = preferred(of.algorithms(), of.certificate_algorithms());
        let trust = Trust::Known {
            known: Arc::clone(&known),
            lookup: lookup.clone(),
            principal: endpoint.principal().to_owned(),
        };
        let link = Link::new(&endpoint.name);
        let shaken = self
            .shake_hands(
                endpoint,
                through.as_deref(),
                &link,
                trust,
                preferred,
                limits,
            )
            .await;
        let mut handle = match shaken {
            Ok(handle) => handle,
            Err(Failed::Known(error, quick)) => return Err((error, quick)),
            Err(Failed::Ssh(error)) => {
                return Err(self
                    .refusal(endpoint, through.as_deref(), &known, &link, error, limits)
                    .await);
            }
        };
        if let Err(error) = log_in(
            &mut handle,
            &link,
            endpoint,
            &self.prompts,
            limits.connect_timeout,
        )
        .await
        {
            link.end(error.clone());
            return Err(slow(error));
        }
        let Some(host_key) = link.shown() else {
            return Err(slow(link.ended()));
        };
        Ok(Connection {
            handle,
            link,
            name: endpoint.name.clone(),
            user: endpoint.user.clone(),
            host_key,
            limits,
            sessions: Arc::new(Semaphore::new(self.options.sessions_max.max(1))),
            _through: through,
        })
    }

    /// The one connection to a bastion, opened if nobody has it open.
    async fn bastion(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
    ) -> Result<(Arc<Connection>, Arc<Semaphore>), Error> {
        let arrived = Instant::now();
        let key = format!("{endpoint:?}");
        let slot = Arc::clone(self.bastions.lock().await.entry(key).or_default());
        let mut slot = slot.lock().await;
        let places = Arc::clone(slot.handshakes.get_or_insert_with(|| {
            Arc::new(Semaphore::new(
                self.options.handshakes_per_bastion_max.max(1),
            ))
        }));
        if let Some(open) = slot.open.upgrade()
            && !open.handle.is_closed()
        {
            return Ok((open, places));
        }
        // Whoever waited while the attempt failed shares its failure, instead of repeating it fifty
        // times one after the other.
        if let Some((failed, error)) = &slot.failed
            && *failed >= arrived
        {
            return Err(error.clone());
        }
        match self.open(endpoint, limits).await {
            Ok(connection) => {
                slot.open = Arc::downgrade(&connection);
                Ok((connection, places))
            }
            Err(error) => {
                slot.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// TCP, or what stands for it, then banner and key exchange, all within one limit.
    async fn shake_hands(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        link: &Arc<Link>,
        trust: Trust,
        preferred: Preferred,
        limits: Limits,
    ) -> Result<Handle, Failed> {
        let limit = limits.connect_timeout;
        let work = async {
            let stream = stream(endpoint, through).await?;
            let stream = Cuttable::new(stream, link.switch());
            let callbacks = Callbacks {
                link: Arc::clone(link),
                trust,
            };
            let config = Arc::new(self.client_config(preferred));
            russh::client::connect_stream(config, stream, callbacks)
                .await
                .map_err(Failed::Ssh)
        };
        match tokio::time::timeout(limit, work).await {
            Ok(done) => done,
            Err(_) => {
                let error = Error::Connect {
                    host: endpoint.name.clone(),
                    address: endpoint.place(),
                    source: Cause(format!("no answer within {} s", limit.as_secs_f64())),
                };
                link.end(error.clone());
                Err(Failed::Known(error, Quick(false)))
            }
        }
    }

    /// What a failed handshake means: a host key that isn't trusted, or no connection.
    async fn refusal(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        known: &KnownHosts,
        link: &Link,
        error: russh::Error,
        limits: Limits,
    ) -> (Error, Quick) {
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
            let all = preferred(super::known_hosts::all_algorithms(), Vec::new());
            if let Ok(Some(shown)) = self.look(endpoint, through, all, limits).await {
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
                || matches!(&error, russh::Error::IO(error) if is_quick(error.kind()) || error.kind() == ErrorKind::UnexpectedEof),
        );
        (
            Error::Connect {
                host: endpoint.name.clone(),
                address: endpoint.place(),
                source: Cause::from(&error),
            },
            quick,
        )
    }

    /// The key that a host shows when it is asked for one of `preferred`; none if it has none.
    async fn look(
        &self,
        endpoint: &Endpoint,
        through: Option<&Connection>,
        preferred: Preferred,
        limits: Limits,
    ) -> Result<Option<PublicKey>, Error> {
        let link = Link::new(&endpoint.name);
        let shaken = self
            .shake_hands(endpoint, through, &link, Trust::Look, preferred, limits)
            .await;
        match shaken {
            Err(Failed::Ssh(russh::Error::NoCommonAlgo { .. })) => Ok(None),
            Err(Failed::Ssh(error)) => match link.shown() {
                Some(shown) => Ok(Some(shown)),
                None => Err(Error::Connect {
                    host: endpoint.name.clone(),
                    address: endpoint.place(),
                    source: Cause::from(&error),
                }),
            },
            Err(Failed::Known(error, _)) => Err(error),
            // A key that nobody trusts never makes a connection.
            Ok(_) => Ok(link.shown()),
        }
    }

    /// All keys that the host shows, one handshake for each kind; nothing is logged in to. What is on
    /// the way must be trusted already.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], or why a host on the way could not be passed.
    pub async fn offered_keys(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
    ) -> Result<Vec<PublicKey>, Error> {
        let (through, _) = match &endpoint.hop {
            Some(Hop::Jump(jump)) => {
                let (connection, places) =
                    self.bastion(jump, limits)
                        .await
                        .map_err(|error| Error::Hop {
                            host: endpoint.name.clone(),
                            via: jump.name.clone(),
                            source: Arc::new(error),
                        })?;
                (Some(connection), Some(places))
            }
            Some(Hop::Command(_)) | None => (None, None),
        };
        let mut keys: Vec<PublicKey> = Vec::new();
        let mut asked_rsa = false;
        for algorithm in super::known_hosts::all_algorithms() {
            if matches!(algorithm, Algorithm::Rsa { .. }) {
                if asked_rsa {
                    continue;
                }
                asked_rsa = true;
            }
            let wanted = match algorithm {
                Algorithm::Rsa { .. } => super::known_hosts::all_algorithms()
                    .into_iter()
                    .filter(|algorithm| matches!(algorithm, Algorithm::Rsa { .. }))
                    .collect(),
                other => vec![other],
            };
            let preferred = preferred(wanted, Vec::new());
            if let Some(key) = self
                .look(endpoint, through.as_deref(), preferred, limits)
                .await?
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    fn client_config(&self, preferred: Preferred) -> Config {
        Config {
            window_size: WINDOW_BYTES,
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
struct Quick(bool);

/// How a handshake failed.
enum Failed {
    Known(Error, Quick),
    Ssh(russh::Error),
}

fn slow(error: Error) -> (Error, Quick) {
    (error, Quick(false))
}

fn is_quick(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::BrokenPipe
    )
}

fn preferred(keys: Vec<Algorithm>, certificates: Vec<Algorithm>) -> Preferred {
    Preferred {
        key: keys.into(),
        host_key_certificates: certificates.into(),
        cipher: [
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ]
        .to_vec()
        .into(),
        ..Preferred::DEFAULT
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
        Verdict::BadCertificate { place, why } => Some(HostKeyProblem::Certificate { place, why }),
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

async fn read_known_hosts(endpoint: &Endpoint) -> Result<Arc<KnownHosts>, Error> {
    let files = endpoint.known_hosts();
    let read = tokio::task::spawn_blocking(move || KnownHosts::read(&files)).await;
    let known = match read {
        Ok(Ok(known)) => known,
        Ok(Err((file, error))) => {
            return Err(Error::File {
                file,
                source: error.into(),
            });
        }
        Err(_) => KnownHosts::default(),
    };
    for place in known.odd() {
        tracing::warn!("{place} can't be understood and is not trusted");
    }
    Ok(Arc::new(known))
}

/// The bytes under the connection.
async fn stream(
    endpoint: &Endpoint,
    through: Option<&Connection>,
) -> Result<Box<dyn Stream>, Failed> {
    let failed = |error: std::io::Error| {
        let quick = Quick(is_quick(error.kind()));
        Failed::Known(
            Error::Connect {
                host: endpoint.name.clone(),
                address: endpoint.place(),
                source: error.into(),
            },
            quick,
        )
    };
    match (&endpoint.hop, through) {
        (Some(Hop::Command(command)), _) => {
            let mut child = tokio::process::Command::new("sh")
                .arg("-c")
                .arg(format!("exec {command}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .map_err(failed)?;
            let (Some(stdout), Some(stdin)) = (child.stdout.take(), child.stdin.take()) else {
                return Err(failed(ErrorKind::BrokenPipe.into()));
            };
            Ok(Box::new(CommandStream::new(stdout, stdin, child)))
        }
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
                Ok(channel) => Ok(Box::new(HopStream::new(channel))),
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
            let stream = TcpStream::connect((endpoint.address.as_str(), endpoint.port))
                .await
                .map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            Ok(Box::new(stream))
        }
    }
}
