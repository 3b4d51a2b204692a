//! The write commands that stop and start services.
//!
//! What is run on a host as a service or a reload hook is taken from the inventory alone: a record that was
//! found on the host names services, and never has a program run.

use crate::guard::script::{Request, Verb};
use crate::inventory::{Host, Service, ServiceKind};
use crate::name::{AccountName, HostName, RemotePath, UnitName};

/// A change of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceChange {
    /// Something is done to units. It is begun only: their states tell how it goes.
    Units {
        /// What.
        change: UnitChange,
        /// The units.
        units: Vec<UnitName>,
        /// The account in whose own service manager they are; none: the system's.
        account: Option<AccountName>,
    },
    /// The files of units are read again.
    DaemonReload {
        /// The account whose own service manager does it; none: the system's.
        account: Option<AccountName>,
    },
    /// Sends a signal to processes that are still the same.
    Signal {
        /// Which.
        signal: Signal,
        /// The processes.
        processes: Vec<ProcessId>,
        /// The account that they belong to; none: the one that logged in.
        account: Option<AccountName>,
    },
    /// Starts a process that outlives the connection. Answers a line `pid PID`.
    Launch(Launch),
    /// Makes a service read its files again, and waits until that has ended.
    Reload(ReloadHook),
}

/// What is done to units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitChange {
    /// They stop.
    Stop,
    /// They start, and with them what they need and want.
    Start,
    /// They start without anything else: for targets, whose wishes may be to stay down.
    StartAlone,
    /// That they have failed is forgotten.
    ResetFailed,
}

/// A signal that ends a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// It is asked to end.
    Term,
    /// It ends.
    Kill,
}

/// A process: its number, and the time of its start, by which another one of that number is told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// Clock ticks since the host was started.
    pub start: u64,
}

/// The start of a process that is a service of the inventory.
///
/// Only [`Launch::of`] makes one:
///
/// ```compile_fail,E0451
/// fn sneak(host: fleet::name::HostName, cwd: fleet::name::RemotePath) -> fleet::guard::Launch {
///     fleet::guard::Launch { host, argv: vec!["evil".to_owned()], cwd, account: None }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    host: HostName,
    argv: Vec<String>,
    cwd: RemotePath,
    account: Option<AccountName>,
}

impl Launch {
    /// The start of `service` on `host`, if it is a process.
    #[must_use]
    pub fn of(host: &Host, service: &Service) -> Option<Self> {
        match &service.kind {
            ServiceKind::Unit { .. } => None,
            ServiceKind::Process(process) => Some(Self {
                host: host.name.clone(),
                argv: process.argv.clone(),
                cwd: process.cwd.clone(),
                account: process.run_as.clone(),
            }),
        }
    }
}

/// The command that makes a service of the inventory read its files again.
///
/// Only [`ReloadHook::of`] makes one:
///
/// ```compile_fail,E0451
/// fn sneak(host: fleet::name::HostName) -> fleet::guard::ReloadHook {
///     fleet::guard::ReloadHook { host, argv: vec!["evil".to_owned()], cwd: None, account: None }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadHook {
    host: HostName,
    argv: Vec<String>,
    cwd: Option<RemotePath>,
    account: Option<AccountName>,
}

impl ReloadHook {
    /// The hook of `service` on `host`, if it has one.
    #[must_use]
    pub fn of(host: &Host, service: &Service) -> Option<Self> {
        let cwd = match &service.kind {
            ServiceKind::Unit { .. } => None,
            ServiceKind::Process(process) => Some(process.cwd.clone()),
        };
        Some(Self {
            host: host.name.clone(),
            argv: service.reload.clone()?,
            cwd,
            account: service.kind.run_as().cloned(),
        })
    }
}

impl ServiceChange {
    /// The account that it is done as; none: root for units and their hooks, else the one that logged in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountName> {
        match self {
            Self::Units { account, .. }
            | Self::DaemonReload { account }
            | Self::Signal { account, .. } => account.as_ref(),
            Self::Launch(launch) => launch.account.as_ref(),
            Self::Reload(hook) => hook.account.as_ref(),
        }
    }

    /// The only host on which it may be done; none: the host of the permit.
    #[must_use]
    pub fn only_host(&self) -> Option<&HostName> {
        match self {
            Self::Units { .. } | Self::DaemonReload { .. } | Self::Signal { .. } => None,
            Self::Launch(launch) => Some(&launch.host),
            Self::Reload(hook) => Some(&hook.host),
        }
    }

    /// Whether `user`, the account that is logged in, has to become another one for it.
    #[must_use]
    pub fn needs_sudo(&self, user: &str) -> bool {
        match (self, self.account()) {
            (_, Some(account)) => account.as_str() != user,
            (Self::Units { .. } | Self::DaemonReload { .. }, None) => user != "root",
            // A hook of a unit of the system's is root's business, one of a process that of its owner.
            (Self::Reload(hook), None) => hook.cwd.is_none() && user != "root",
            (Self::Signal { .. } | Self::Launch(_), None) => false,
        }
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Service);
        match self {
            Self::Units {
                change,
                units,
                account,
            } => {
                request.with("do", change.as_str());
                manager(account.as_ref(), &mut request);
                for unit in units {
                    request.with("unit", unit.as_str());
                }
            }
            Self::DaemonReload { account } => {
                request.with("do", "daemon-reload");
                manager(account.as_ref(), &mut request);
            }
            Self::Signal {
                signal, processes, ..
            } => {
                let name = match signal {
                    Signal::Term => "term",
                    Signal::Kill => "kill",
                };
                request.with("do", name);
                for process in processes {
                    request.with("process", format!("{} {}", process.pid, process.start));
                }
            }
            Self::Launch(launch) => {
                request.with("do", "launch");
                request.with("cwd", launch.cwd.as_bytes());
                arguments(&launch.argv, &mut request);
            }
            Self::Reload(hook) => {
                request.with("do", "run");
                if let Some(cwd) = &hook.cwd {
                    request.with("cwd", cwd.as_bytes());
                }
                arguments(&hook.argv, &mut request);
            }
        }
        request
    }
}

impl UnitChange {
    fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::StartAlone => "alone",
            Self::ResetFailed => "reset",
        }
    }
}

fn manager(account: Option<&AccountName>, request: &mut Request) {
    if account.is_some() {
        request.with("manager", "user");
    }
}

fn arguments(argv: &[String], request: &mut Request) {
    for word in argv {
        request.with("arg", word);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::guard::judgement::tests::host;
    use crate::inventory::{Access, Place, ProcessService, Start};

    fn service(kind: ServiceKind) -> Service {
        Service {
            name: "a-service".parse().expect("a name"),
            place: Place::default(),
            kind,
            start: Start::Always,
            grace: Duration::from_secs(1),
            reload: Some(vec![
                "asterisk".into(),
                "-rx".into(),
                "dialplan reload".into(),
            ]),
        }
    }

    fn request(change: &ServiceChange) -> String {
        let preamble = change.request().preamble("0f");
        let preamble = String::from_utf8(preamble).expect("text");
        preamble.lines().last().expect("a request").to_owned()
    }

    #[test]
    fn values_of_the_inventory_are_encoded() {
        let host = host(Some("dev"), Some(Access::Writable), &[]);
        let process = service(ServiceKind::Process(ProcessService {
            argv: vec!["node".into(), "it's; rm -rf /".into()],
            cwd: "/opt/a b".parse().expect("a path"),
            run_as: Some("app".parse().expect("an account")),
        }));
        let launch = ServiceChange::Launch(Launch::of(&host, &process).expect("a process"));
        assert_eq!(
            request(&launch),
            "fleet 1 service do=launch cwd=/opt/a\\0040b arg=node arg=it's;\\0040rm\\0040-rf\\0040/"
        );
        assert_eq!(launch.account().map(AccountName::as_str), Some("app"));
        assert_eq!(launch.only_host(), Some(&host.name));
        let unit = service(ServiceKind::Unit {
            unit: "asterisk.service".parse().expect("a unit"),
            run_as: None,
        });
        assert_eq!(Launch::of(&host, &unit), None);
        let hook = ServiceChange::Reload(ReloadHook::of(&host, &unit).expect("a hook"));
        assert_eq!(
            request(&hook),
            "fleet 1 service do=run arg=asterisk arg=-rx arg=dialplan\\0040reload"
        );
        let stop = ServiceChange::Units {
            change: UnitChange::Stop,
            units: vec![r"srv-a\x2db.mount".parse().expect("a unit")],
            account: Some("app".parse().expect("an account")),
        };
        assert_eq!(
            request(&stop),
            r"fleet 1 service do=stop manager=user unit=srv-a\0134x2db.mount"
        );
        let kill = ServiceChange::Signal {
            signal: Signal::Kill,
            processes: vec![ProcessId { pid: 7, start: 99 }],
            account: None,
        };
        assert_eq!(request(&kill), "fleet 1 service do=kill process=7\\004099");
    }

    #[test]
    fn only_what_belongs_to_another_account_needs_sudo() {
        let host = host(Some("dev"), Some(Access::Writable), &[]);
        let unit = |run_as: Option<&str>| ServiceChange::Units {
            change: UnitChange::Stop,
            units: Vec::new(),
            account: run_as.map(|account| account.parse().expect("an account")),
        };
        assert!(unit(None).needs_sudo("clerk"));
        assert!(!unit(None).needs_sudo("root"));
        assert!(!unit(Some("clerk")).needs_sudo("clerk"));
        assert!(unit(Some("clerk")).needs_sudo("root"));
        let own = service(ServiceKind::Process(ProcessService {
            argv: vec!["node".into()],
            cwd: "/opt".parse().expect("a path"),
            run_as: None,
        }));
        let launch = ServiceChange::Launch(Launch::of(&host, &own).expect("a process"));
        let hook = ServiceChange::Reload(ReloadHook::of(&host, &own).expect("a hook"));
        assert!(!launch.needs_sudo("clerk"));
        assert!(!hook.needs_sudo("clerk"));
    }
}
