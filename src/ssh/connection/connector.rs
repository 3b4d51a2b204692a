//! Opens connections: one a host, one a bastion, never too many handshakes at once.
//!
//! A host key is checked before anything else is sent; nothing here turns that off.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use russh::Disconnect;
use russh::keys::PublicKey;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use crate::guard::Priority;
use crate::guard::identity::Evidence;
use crate::inventory::{Host, Inventory, Limits};
use crate::name::HostName;
use crate::ssh::command::exec::Executor;
use crate::ssh::command::sudo::SudoMethods;
use crate::ssh::config::resolve::{Endpoint, Hop, SshConfig};
use crate::ssh::connection::callbacks::{Handle, Trust};
use crate::ssh::connection::clock::Clock;
use crate::ssh::connection::handshake::{Failed, Quick, slow};
use crate::ssh::connection::state::Link;
use crate::ssh::error::{Attempts, Error};
use crate::ssh::forward;
use crate::ssh::host_keys::check::HostKeyCheck;
use crate::ssh::login::auth::log_in;
use crate::ssh::login::prompts::Prompts;
use crate::ssh::options::Options;
use crate::ssh::session::ReadSession;

/// Attempts to connect when the refusals are quick.
const ATTEMPTS_MAX: u32 = 3;

/// Opens connections for a whole run.
pub struct Connector {
    config: SshConfig,
    pub(in crate::ssh) options: Options,
    prompts: Arc<Prompts>,
    /// For hosts with `BatchMode yes`: asks nothing.
    mute: Arc<Prompts>,
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
pub(in crate::ssh) struct Connection {
    pub(in crate::ssh) handle: Handle,
    pub(in crate::ssh) link: Arc<Link>,
    pub(in crate::ssh) name: String,
    pub(in crate::ssh) user: String,
    pub(in crate::ssh) host_key: PublicKey,
    pub(in crate::ssh) limits: Limits,
    pub(in crate::ssh) sessions: Arc<Semaphore>,
    pub(in crate::ssh) ways: forward::ForwardSlots,
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
    pub(in crate::ssh) async fn close(&self) {
        let goodbye = self.handle.disconnect(Disconnect::ByApplication, "", "");
        // A peer that is gone hears no goodbye, and none is owed to it.
        drop(tokio::time::timeout(Duration::from_secs(1), goodbye).await);
        // The host's own goodbye would take another round trip, and would say nothing.
        let mut switch = self.link.switch();
        let left = self.link.left();
        let gone = async {
            tokio::select! {
                () = left.notified() => {}
                _ = switch.wait_for(|cut| *cut) => {}
            }
        };
        drop(tokio::time::timeout(Duration::from_secs(1), gone).await);
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
            mute: Arc::new(Prompts::new(None)),
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
    /// One attempt takes at most the host's `connect_timeout`: name, address, key exchange and login, but
    /// not the time in which the operator is asked. Quick refusals are tried again as long as that limit
    /// has not passed since the first attempt began.
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
        self.connect_to(&endpoint, host).await
    }

    /// Connects to `host` where `endpoint` says.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`].
    pub async fn connect_to(&self, endpoint: &Endpoint, host: &Host) -> Result<ReadSession, Error> {
        let connection = self.open(endpoint, host.limits, None).await?;
        Ok(self.session(connection, endpoint, host))
    }

    /// The same for a host that should be written: refused before authentication if its key is that of a
    /// protected machine.
    ///
    /// # Errors
    ///
    /// As [`Connector::connect`], and [`Error::Protected`].
    pub(in crate::ssh) async fn connect_for_writing(
        &self,
        endpoint: &Endpoint,
        host: &Host,
        evidence: &Evidence,
    ) -> Result<ReadSession, Error> {
        let writes = Some((&host.name, evidence));
        let connection = self.open(endpoint, host.limits, writes).await?;
        Ok(self.session(connection, endpoint, host))
    }

    fn session(
        &self,
        connection: Arc<Connection>,
        endpoint: &Endpoint,
        host: &Host,
    ) -> ReadSession {
        ReadSession::new(Executor {
            connection,
            prompts: Arc::clone(self.prompts(endpoint)),
            pace: Priority::on(host),
            sudo_methods: SudoMethods::default(),
            recorder: self.options.recorder.clone(),
        })
    }

    /// Whom to ask when `endpoint` wants an answer.
    fn prompts(&self, endpoint: &Endpoint) -> &Arc<Prompts> {
        if endpoint.rules.may_ask {
            &self.prompts
        } else {
            &self.mute
        }
    }

    /// Connects and logs in; with what is known of protected machines, if the host should be written.
    async fn open(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
        writes: Option<(&HostName, &Evidence)>,
    ) -> Result<Arc<Connection>, Error> {
        for warning in &endpoint.warnings {
            tracing::warn!("{warning}");
        }
        for note in &endpoint.notes {
            tracing::info!(host = endpoint.name, "ssh_config is not followed: {note}");
        }
        if let Some(uses) = &self.options.uses {
            for file in &endpoint.identities {
                uses("key", file);
            }
            for file in endpoint.known_hosts() {
                uses("known_hosts file", &file);
            }
        }
        let begun = Instant::now();
        let mut attempt = 1;
        let mut pause = self.options.retry_pause;
        loop {
            match self.open_once(endpoint, limits, writes).await {
                Ok(connection) => return Ok(Arc::new(connection)),
                Err((error, Quick(true)))
                    if attempt < ATTEMPTS_MAX
                        && begun.elapsed() + pause < limits.connect_timeout =>
                {
                    tracing::debug!(host = endpoint.name, attempt, "{error}");
                    tokio::time::sleep(pause).await;
                    attempt += 1;
                    pause *= 4;
                }
                Err((error, _)) => {
                    return Err(error.after(Attempts {
                        count: attempt,
                        took: begun.elapsed(),
                    }));
                }
            }
        }
    }

    async fn open_once(
        &self,
        endpoint: &Endpoint,
        limits: Limits,
        writes: Option<(&HostName, &Evidence)>,
    ) -> Result<Connection, (Error, Quick)> {
        let check = HostKeyCheck::of(endpoint).await.map_err(slow)?;
        let check = match writes {
            Some((host, evidence)) => check.for_writing(host, evidence),
            None => check,
        };
        self.open_checked(endpoint, check, self.prompts(endpoint), limits)
            .await
    }

    /// Connects to a host whose key passes `check`, and logs in.
    pub(in crate::ssh) async fn open_checked(
        &self,
        endpoint: &Endpoint,
        check: HostKeyCheck,
        prompts: &Prompts,
        limits: Limits,
    ) -> Result<Connection, (Error, Quick)> {
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
            Some(Hop::Command(_) | Hop::Descriptor(_)) | None => (None, None),
        };
        let _place = self.handshakes.acquire().await;
        let _bastion_place = match &bastion_places {
            Some(places) => Some(places.acquire().await),
            None => None,
        };
        let known = check.before().await.map_err(slow)?;
        let of = known.of(check.lookup());
        let algorithms = &endpoint.rules.algorithms;
        let preferred = algorithms.preferred(
            algorithms.host_keys(of.algorithms()),
            algorithms.host_certificates(of.certificate_algorithms()),
        );
        let trust = Trust::Check(Box::new(check));
        let link = Link::new(&endpoint.name);
        let clock = Clock::start(limits.connect_timeout);
        let shaken = self
            .shake_hands(
                endpoint,
                through.as_deref(),
                &link,
                trust,
                preferred,
                &clock,
            )
            .await;
        let mut handle = match shaken {
            Ok(handle) => handle,
            Err(Failed::Known(error, quick)) => return Err((error, quick)),
            Err(Failed::Ssh(error)) => {
                return Err(self
                    .refusal(endpoint, through.as_deref(), &known, &link, error, &clock)
                    .await);
            }
        };
        if let Err(error) = log_in(&mut handle, &link, endpoint, prompts, clock).await {
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
            ways: forward::ForwardSlots::new(self.options.sessions_max.max(1)),
            _through: through,
        })
    }

    /// The one connection to a bastion, opened if nobody has it open.
    pub(in crate::ssh) async fn bastion(
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
        match self.open(endpoint, limits, None).await {
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
}
