//! TCP connections: looks a name up and tries its addresses, each a moment after the one before.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;

use crate::ssh::config::rules::{Family, Rules};
use crate::ssh::connection::cause::plain;

/// An address that does not answer holds the next one up for this long (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// More addresses of one name are not tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no TCP connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ssh) struct Undialled {
    pub(in crate::ssh) why: String,
    /// Trying again at once may help.
    pub(in crate::ssh) may_pass: bool,
}

impl Undialled {
    fn lasting(why: String) -> Self {
        Self {
            why,
            may_pass: false,
        }
    }
}

/// Connects to the first address of `name` that answers.
///
/// # Errors
///
/// Why, in words.
///
/// # Cancel
///
/// Dropping the future ends all attempts.
pub(in crate::ssh) async fn dial(
    name: &str,
    port: u16,
    rules: &Rules,
) -> Result<TcpStream, Undialled> {
    let mut addresses = look_up(name, port, rules.family).await?.into_iter();
    let bind = match &rules.bind {
        Some(address) => look_up(address, 0, rules.family).await?,
        None => Vec::new(),
    };
    let mut attempts = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        match addresses.next() {
            Some(address) => {
                let bind = bind.clone();
                attempts.spawn(async move { (address, connect(address, &bind).await) });
            }
            None if attempts.is_empty() => return Err(all_failed(&failed)),
            None => {}
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok((_, Ok(stream))) => return Ok(stream),
                Ok((address, Err(error))) => failed.push((address, error)),
                // A task that was stopped has nothing to tell.
                Err(_) => {}
            },
            () = tokio::time::sleep(STAGGER), if addresses.len() > 0 => {}
        }
    }
}

async fn connect(address: SocketAddr, bind: &[SocketAddr]) -> io::Result<TcpStream> {
    if bind.is_empty() {
        return TcpStream::connect(address).await;
    }
    let local = bind
        .iter()
        .find(|local| local.is_ipv4() == address.is_ipv4())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::AddrNotAvailable,
                "`BindAddress` of ssh_config is of the other address family",
            )
        })?;
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(*local)?;
    socket.connect(address).await
}

async fn look_up(name: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>, Undialled> {
    let all: Vec<SocketAddr> = match lookup_host((name, port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => return Err(Undialled::lasting(lookup_failure(name, &error))),
    };
    let wanted: Vec<SocketAddr> = all
        .into_iter()
        .filter(|address| match family {
            Family::Any => true,
            Family::Inet => address.is_ipv4(),
            Family::Inet6 => address.is_ipv6(),
        })
        .take(ADDRESSES_MAX)
        .collect();
    if wanted.is_empty() {
        let kind = match family {
            Family::Any => "address",
            Family::Inet => "IPv4 address (`AddressFamily inet` of ssh_config)",
            Family::Inet6 => "IPv6 address (`AddressFamily inet6` of ssh_config)",
        };
        return Err(Undialled::lasting(format!("`{name}` has no {kind}")));
    }
    Ok(wanted)
}

/// The resolver's answer in words: the operating system tells its kinds of failure by text alone.
fn lookup_failure(name: &str, error: &io::Error) -> String {
    let text = error.to_string();
    let detail = text
        .strip_prefix("failed to lookup address information: ")
        .unwrap_or(&text);
    let has = |pieces: &[&str]| pieces.iter().any(|piece| detail.contains(piece));
    // glibc, musl, macOS.
    if has(&[
        "Name or service not known",
        "Name does not resolve",
        "nodename nor servname",
        "No address associated",
    ]) {
        format!("no such host name: `{name}`")
    } else if has(&["Temporary failure", "Try again"]) {
        format!("the name server gives no answer for `{name}`")
    } else {
        format!("`{name}` can't be looked up: {}", plain(error))
    }
}

fn all_failed(failed: &[(SocketAddr, io::Error)]) -> Undialled {
    let may_pass = !failed.is_empty() && failed.iter().all(|(_, error)| may_pass(error.kind()));
    let why = match failed {
        [] => "no address answered".to_owned(),
        [(_, error)] => plain(error),
        several => {
            let texts: Vec<String> = several
                .iter()
                .map(|(address, error)| format!("{} ({})", plain(error), address.ip()))
                .collect();
            texts.join(", ")
        }
    };
    Undialled { why, may_pass }
}

/// A failure of this kind comes at once and may be over in a moment.
pub(in crate::ssh) fn may_pass(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkUnreachable,
    };
    matches!(
        kind,
        ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | HostUnreachable
            | NetworkUnreachable
            | BrokenPipe
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn why(name: &str, port: u16, rules: &Rules) -> String {
        dial(name, port, rules)
            .await
            .expect_err("nobody is there")
            .why
    }

    #[tokio::test]
    async fn failures_are_told_in_plain_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        drop(listener);
        let rules = Rules::default();
        assert_eq!(why("127.0.0.1", port, &rules).await, "connection refused");
        let inet6 = Rules {
            family: Family::Inet6,
            ..Rules::default()
        };
        assert_eq!(
            why("127.0.0.1", port, &inet6).await,
            "`127.0.0.1` has no IPv6 address (`AddressFamily inet6` of ssh_config)"
        );
        let error =
            |text: &str| io::Error::other(format!("failed to lookup address information: {text}"));
        assert_eq!(
            lookup_failure("web", &error("Name or service not known")),
            "no such host name: `web`"
        );
        assert_eq!(
            lookup_failure("web", &error("Temporary failure in name resolution")),
            "the name server gives no answer for `web`"
        );
    }

    #[tokio::test]
    async fn the_local_address_is_the_one_that_ssh_config_names() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let rules = Rules {
            bind: Some("127.0.0.9".to_owned()),
            ..Rules::default()
        };
        let stream = dial("127.0.0.1", port, &rules).await.expect("a connection");
        assert_eq!(
            stream.local_addr().expect("an address").ip().to_string(),
            "127.0.0.9"
        );
        let rules = Rules {
            bind: Some("::1".to_owned()),
            ..Rules::default()
        };
        assert_eq!(
            why("127.0.0.1", port, &rules).await,
            "`BindAddress` of ssh_config is of the other address family"
        );
    }

    #[test]
    fn of_several_addresses_each_is_told() {
        let failed = vec![
            (
                "[::1]:22".parse().expect("an address"),
                io::Error::from(io::ErrorKind::ConnectionRefused),
            ),
            (
                "127.0.0.1:22".parse().expect("an address"),
                io::Error::from(io::ErrorKind::TimedOut),
            ),
        ];
        assert_eq!(
            all_failed(&failed),
            Undialled {
                why: "connection refused (::1), timed out (127.0.0.1)".to_owned(),
                may_pass: false,
            }
        );
    }
}
