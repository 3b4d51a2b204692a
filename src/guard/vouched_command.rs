//! A `command` or `shell` source that may run on its host: on a protected host only with
//! `reads_only: true`.

use super::judgement::is_protected;
use crate::fault::{Code, ExitClass, Fault};
use crate::inventory::{CommandLine, CommandSource, Host};
use crate::name::{AccountName, HostName, SourceName};

/// A command of the inventory that may run on one host: the host is writable, or the operator vouches
/// with `reads_only: true` that the command changes nothing.
///
/// Only [`VouchedCommand::of`] makes one:
///
/// ```compile_fail,E0451
/// use fleet::guard::{ReadCommand, VouchedCommand};
/// use fleet::inventory::CommandLine;
/// fn sneak(host: fleet::name::HostName) -> ReadCommand {
///     let line = CommandLine::Shell("systemctl stop asterisk".to_owned());
///     ReadCommand::Run(VouchedCommand { host, line, run_as: None })
/// }
/// ```
///
/// ```compile_fail,E0308
/// use fleet::guard::ReadCommand;
/// use fleet::inventory::CommandLine;
/// fn sneak() -> ReadCommand {
///     ReadCommand::Run(CommandLine::Shell("systemctl stop asterisk".to_owned()))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VouchedCommand {
    host: HostName,
    line: CommandLine,
    run_as: Option<AccountName>,
}

/// Nobody vouches for a command on a protected host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("source `{source_name}` runs a command on `{host}`, which is protected")]
pub struct NotVouched {
    /// The host.
    pub host: HostName,
    /// The source.
    pub source_name: SourceName,
}

impl Fault for NotVouched {
    fn code(&self) -> Code {
        Code::CommandNotVouched
    }

    fn hint(&self) -> Option<String> {
        Some(
            "If the command changes nothing on the host, set `reads_only: true` on the source; otherwise remove it."
                .to_owned(),
        )
    }

    fn exit_class(&self) -> ExitClass {
        ExitClass::Refused
    }
}

impl VouchedCommand {
    /// The command of the source `source_name`, to run on `host`.
    ///
    /// # Errors
    ///
    /// [`NotVouched`] if `host` is protected and the source has no `reads_only: true`.
    pub fn of(
        host: &Host,
        source_name: &SourceName,
        command: &CommandSource,
    ) -> Result<Self, NotVouched> {
        if is_protected(host) && !command.reads_only {
            return Err(NotVouched {
                host: host.name.clone(),
                source_name: source_name.clone(),
            });
        }
        Ok(Self {
            host: host.name.clone(),
            line: command.line.clone(),
            run_as: command.run_as.clone(),
        })
    }

    /// The only host on which it may run.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// What is run.
    #[must_use]
    pub fn line(&self) -> &CommandLine {
        &self.line
    }

    /// The account that runs it; none: the one that logged in, or root with sudo.
    #[must_use]
    pub fn run_as(&self) -> Option<&AccountName> {
        self.run_as.as_ref()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::guard::judgement::tests::host;
    use crate::inventory::Access;

    pub(crate) fn source(line: CommandLine, run_as: Option<AccountName>) -> CommandSource {
        CommandSource {
            line,
            run_as,
            timeout: Duration::from_secs(1),
            max_bytes: 1,
            reads_only: true,
            file: None,
        }
    }

    #[test]
    fn a_protected_host_runs_only_what_somebody_vouches_for() {
        let name: SourceName = "a-source".parse().expect("a name");
        let line = CommandLine::Shell("uptime".to_owned());
        let vouched = source(line.clone(), None);
        let unvouched = CommandSource {
            reads_only: false,
            ..vouched.clone()
        };
        let writable = host(Some("dev"), Some(Access::Writable), &[]);
        let protected = [
            host(Some("prod-eu"), Some(Access::Writable), &[]),
            host(Some("dev"), Some(Access::Writable), &["live"]),
            host(Some("dev"), None, &[]),
            host(None, Some(Access::Writable), &[]),
        ];
        for host in &protected {
            let refused = VouchedCommand::of(host, &name, &unvouched).expect_err("protected");
            assert_eq!(
                refused.to_string(),
                "source `a-source` runs a command on `a-host`, which is protected"
            );
            assert_eq!(
                refused.hint().as_deref(),
                Some(
                    "If the command changes nothing on the host, set `reads_only: true` on the source; otherwise remove it."
                )
            );
            assert_eq!(refused.exit_class(), ExitClass::Refused);
            assert_eq!(refused.code(), Code::CommandNotVouched);
        }
        for (host, command) in protected
            .iter()
            .map(|host| (host, &vouched))
            .chain([(&writable, &vouched), (&writable, &unvouched)])
        {
            let command = VouchedCommand::of(host, &name, command).expect("it may run");
            assert_eq!(command.host().as_str(), "a-host");
            assert_eq!((command.line(), command.run_as()), (&line, None));
        }
    }
}
