//! Evidence that can't be read: nothing is written then.

use crate::fault::{Code, ExitClass, Fault};
use crate::inventory::Host;
use crate::name::HostName;
use crate::ssh;
use crate::store;

/// Something that may tell that a target is protected can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A record of the store.
    #[error("can't tell which machines are protected: a record of the store can't be read")]
    Record(#[source] store::Error),
    /// What OpenSSH's configuration, or a known_hosts file, says of a protected host.
    #[error("can't tell which machine the protected host {host} is")]
    Host {
        /// The protected host.
        host: HostName,
        /// Why.
        source: Box<ssh::Error>,
    },
}

impl Error {
    pub(super) fn host(host: &Host, source: ssh::Error) -> Self {
        Self::Host {
            host: host.name.clone(),
            source: Box::new(source),
        }
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        Code::EvidenceUnreadable
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Record(store::Error::Newer { .. } | store::Error::Needs { .. }) => {
                "Nothing was written to any host. Upgrade fleet, which can't read a checkpoint of a newer one.".to_owned()
            }
            Self::Record(_) => "Nothing was written to any host: that record may be of the machine that would be written. `fleet verify --all` lists what is damaged. Restore the file from a copy of the store, or move the folder of that checkpoint out of the store.".to_owned(),
            Self::Host { source, .. } => {
                let mend = source.hint().unwrap_or_default();
                format!("Nothing was written to any host. {mend}").trim().to_owned()
            }
        })
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Refused
    }
}
