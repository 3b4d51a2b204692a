//! Runs `ssh -G`, which prints what OpenSSH's configuration says about a host.

use std::process::Stdio;
use std::time::Duration;

use tokio::sync::OnceCell;

use crate::ssh::config::file_lists::{Trace, split_plainly};
use crate::ssh::config::resolve::{SshConfig, Wish};
use crate::ssh::config::ssh_config::{DEFAULTS, SshGOutput};
use crate::ssh::config::tokens::Local;
use crate::ssh::error::Error;

/// `ssh -G` answers from local files; a `Match exec` that hangs must not hang us.
const SSH_G_LIMIT: Duration = Duration::from_secs(10);

impl SshConfig {
    /// Tokens that only ssh can expand; none where there is no ssh.
    pub(in crate::ssh) async fn local(
        &self,
        name: &str,
        wish: &Wish,
    ) -> Result<Option<Local>, Error> {
        let option = format!("-oControlPath={}", Local::CONTROL_PATH);
        let (text, _) = self.ask(name, wish, &[&option]).await?;
        Ok(SshGOutput::parse(&text)
            .other("controlpath")
            .and_then(Local::parse))
    }

    /// The files of a list that `ssh -G` printed as `value`.
    pub(in crate::ssh) async fn files(
        &self,
        name: &str,
        wish: &Wish,
        option: &str,
        value: &str,
    ) -> Result<Vec<String>, Error> {
        if let Some(files) = split_plainly(value) {
            return Ok(files);
        }
        let mut command = self.command(name, wish, &["-vvv"]);
        let trace = match tokio::time::timeout(SSH_G_LIMIT, command.output()).await {
            Ok(Ok(output)) => Trace::parse(&output.stderr),
            Ok(Err(_)) | Err(_) => Trace::default(),
        };
        trace.split(option, value).map_err(|why| Error::Resolve {
            host: name.to_owned(),
            why,
        })
    }

    /// `ssh -G` for a host, with more options.
    fn command(&self, name: &str, wish: &Wish, options: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("ssh");
        command.args(options);
        if let Some(file) = &self.file {
            command.arg("-F").arg(file);
        }
        command.arg("-G");
        if let Some(address) = &wish.address {
            command.arg(format!("-oHostName={}", address.replace('%', "%%")));
        }
        if let Some(port) = wish.port {
            command.arg(format!("-oPort={port}"));
        }
        if let Some(user) = &wish.user {
            command.arg(format!("-oUser={user}"));
        }
        command
            .arg("--")
            .arg(name)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// What ssh makes of `name` with more options; its built-in defaults where there is no ssh.
    pub(in crate::ssh) async fn ask(
        &self,
        name: &str,
        wish: &Wish,
        options: &[&str],
    ) -> Result<(String, Vec<String>), Error> {
        let broken = |why: String| Error::Resolve {
            host: name.to_owned(),
            why,
        };
        let mut command = self.command(name, wish, options);
        let output = match tokio::time::timeout(SSH_G_LIMIT, command.output()).await {
            Err(_) => {
                return Err(broken(format!(
                    "`ssh -G {name}` did not answer within {} s",
                    SSH_G_LIMIT.as_secs()
                )));
            }
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                let warning = format!(
                    "there is no `ssh` here, so OpenSSH's configuration is not read for {name}"
                );
                return Ok((DEFAULTS.to_owned(), vec![warning]));
            }
            Ok(Err(error)) if is_out_of_files(&error) => {
                return Err(Error::OpenFiles {
                    host: name.to_owned(),
                    source: error.into(),
                });
            }
            Ok(Err(error)) => return Err(broken(format!("`ssh -G {name}`: {error}"))),
            Ok(Ok(output)) => output,
        };
        if output.status.success() {
            Ok((
                String::from_utf8_lossy(&output.stdout).into_owned(),
                Vec::new(),
            ))
        } else {
            let said = crate::name::escape(output.stderr.trim_ascii());
            Err(broken(format!("`ssh -G {name}` says: {said}")))
        }
    }
}

/// What `ssh -G` prints without any configuration: what differs from that was set by somebody. Asked
/// once a run; empty where there is no ssh.
pub(in crate::ssh) async fn defaults() -> &'static SshGOutput {
    static DEFAULTS: OnceCell<SshGOutput> = OnceCell::const_new();
    DEFAULTS
        .get_or_init(|| async {
            let bare = SshConfig {
                file: Some("/dev/null".into()),
            };
            let asked = bare.ask("localhost", &Wish::default(), &[]).await;
            asked.map_or_else(
                |_| SshGOutput::default(),
                |(text, _)| SshGOutput::parse(&text),
            )
        })
        .await
}

/// Whether it is this program, or the whole system, that has too many files open.
fn is_out_of_files(error: &std::io::Error) -> bool {
    let code = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}
