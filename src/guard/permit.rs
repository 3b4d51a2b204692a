//! `WritePermit`: the proof that one host may be written in this run.

use std::path::PathBuf;

use super::judgement::{Decision, Operation, judge, protection};
use crate::fault::{Code, ExitClass, Fault};
use crate::inventory::{Host, Inventory, Protection};
use crate::name::HostName;

/// Proof, made only by [`permit`], that one host may be written in this run. It owns the host as it was
/// judged.
///
/// It can't be made, copied or read from anywhere else:
///
/// ```compile_fail,E0451
/// use fleet::guard::{Operation, WritePermit};
/// fn forge(host: fleet::inventory::Host) -> WritePermit {
///     WritePermit { host, operation: Operation::Restore }
/// }
/// ```
///
/// The host cannot be replaced by another one after it was judged:
///
/// ```compile_fail,E0616
/// fn swap(mut permit: fleet::guard::WritePermit, other: fleet::inventory::Host) {
///     permit.host = other;
/// }
/// ```
///
/// ```compile_fail,E0599
/// fn twice(permit: fleet::guard::WritePermit) -> (fleet::guard::WritePermit, fleet::guard::WritePermit) {
///     (permit.clone(), permit)
/// }
/// ```
///
/// ```compile_fail,E0277
/// let permit: fleet::guard::WritePermit = Default::default();
/// ```
///
/// ```compile_fail,E0277
/// fn from_disk(text: &str) -> Option<fleet::guard::WritePermit> {
///     serde_json::from_str(text).ok()
/// }
/// ```
#[must_use = "a permit that is not used writes nothing"]
#[derive(Debug)]
pub struct WritePermit {
    host: Host,
    operation: Operation,
}

impl WritePermit {
    /// The only host that it is good for, as it was judged.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// What it was asked for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }
}

/// The guard said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is read-only: {reason} ({}:{})", .file.display(), .reason.place().line)]
pub struct Refusal {
    /// The host.
    pub host: HostName,
    /// What was asked for.
    pub operation: Operation,
    /// The plainest of the reasons.
    pub reason: Protection,
    /// The inventory.
    pub file: PathBuf,
}

impl Fault for Refusal {
    fn code(&self) -> Code {
        Code::GuardRefused
    }

    fn hint(&self) -> Option<String> {
        Some(format!(
            "No flag overrides this. `fleet guard explain {} {}` shows every rule.",
            self.host, self.operation
        ))
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Refused
    }
}

/// Judges `operation` on `host`, and makes the permit if the answer is yes.
///
/// An operation that writes nothing needs no permit and gets none.
///
/// # Errors
///
/// [`Refusal`] if any rule denies it.
pub fn permit(
    inventory: &Inventory,
    host: &Host,
    operation: Operation,
) -> Result<WritePermit, Refusal> {
    let judgement = judge(host, operation);
    match (judgement.decision, operation.writes()) {
        (Decision::Allow, true) => Ok(WritePermit {
            host: host.clone(),
            operation,
        }),
        (Decision::Allow, false) | (Decision::Deny, _) => {
            let reason = protection(host)
                .into_iter()
                .next()
                .unwrap_or(Protection::NoAccess { place: host.place });
            Err(Refusal {
                host: host.name.clone(),
                operation,
                reason,
                file: inventory.file.clone(),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::guard::judgement::tests::host;
    use crate::inventory::{Access, Defaults};

    fn inventory() -> Inventory {
        Inventory {
            file: "inventory/fleet.yaml".into(),
            store: None,
            defaults: Defaults::default(),
            profiles: BTreeMap::new(),
            hosts: Vec::new(),
        }
    }

    #[test]
    fn a_permit_owns_the_host_that_was_judged() {
        let host = host(Some("dev"), Some(Access::Writable), &[]);
        let permit = permit(&inventory(), &host, Operation::Restore).expect("writable");
        assert_eq!(
            (permit.host(), permit.operation()),
            (&host, Operation::Restore)
        );
    }

    #[test]
    fn a_refusal_says_what_why_and_how_to_see_more() {
        let host = host(Some("prod"), None, &[]);
        let refusal = permit(&inventory(), &host, Operation::Restore).expect_err("prod");
        assert_eq!(
            refusal.to_string(),
            "a-host is read-only: env is `prod` (inventory/fleet.yaml:2)"
        );
        assert_eq!(
            refusal.hint().as_deref(),
            Some("No flag overrides this. `fleet guard explain a-host restore` shows every rule.")
        );
        assert_eq!(refusal.exit_class(), ExitClass::Refused);
        assert_eq!(refusal.code(), Code::GuardRefused);
    }
}
