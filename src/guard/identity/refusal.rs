//! `ProtectedMachine`: the refusal to write to what is, or looks like, a protected machine.

use std::fmt;

use super::{Mark, Origin, Piece};
use crate::fault::{Code, ExitClass, Fault, Specific};
use crate::name::HostName;

/// The target of a write is a protected machine under another name, or a clone of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedMachine {
    /// What should have been written, as the inventory names it.
    pub target: HostName,
    /// The protected host, and what the target shares with it.
    pub piece: Piece,
}

impl std::error::Error for ProtectedMachine {}

impl fmt::Display for ProtectedMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Piece { host, mark, origin } = &self.piece;
        if self.target == *host {
            write!(
                f,
                "{host} was protected before its entry in the inventory was changed: it has {mark} ({origin})"
            )
        } else {
            write!(
                f,
                "{} is the protected machine {host}: both have {mark} ({origin})",
                self.target
            )
        }
    }
}

impl Fault for ProtectedMachine {
    fn code(&self) -> Code {
        Code::ProtectedMachine
    }

    fn hint(&self) -> Option<String> {
        let Self { target, piece } = self;
        let mistake = match (&piece.mark, &piece.origin) {
            (Mark::Location(_), _) => {
                return Some(format!(
                    "Nothing was sent there. Correct the address of {target} or of {} in the inventory or in ssh_config; `ssh -G {target}` shows which one is used.",
                    piece.host
                ));
            }
            (Mark::HostKey(_) | Mark::MachineId(_), Origin::Record(_)) if *target == piece.host => {
                format!(
                    "Nothing was written. A machine that was protected stays so. If {target} really has another role now, reinstall it, or"
                )
            }
            (Mark::HostKey(_) | Mark::MachineId(_), _) => format!(
                "Nothing was written. If {target} leads to the wrong machine, correct its address (`ssh -G {target}` shows it). If it is a clone of {},",
                piece.host
            ),
        };
        Some(format!(
            "{mistake} give it host keys and a machine-id of its own, on its console: `rm /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh` and `rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup`."
        ))
    }

    fn specifics(&self) -> Vec<Specific> {
        match &self.piece.mark {
            Mark::HostKey(fingerprint) => vec![Specific::Fingerprint(fingerprint.clone())],
            Mark::Location(location) => vec![Specific::Address(location.to_string())],
            Mark::MachineId(_) => Vec::new(),
        }
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Refused
    }
}
