//! The callbacks of russh on a connection: judges the host key, keeps texts, and rejects channels that
//! the server opens.

use std::sync::Arc;

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelId, ChannelOpenFailure, client};

use crate::ssh::connection::state::Link;
use crate::ssh::connection::words::one_line;
use crate::ssh::error::Cause;
use crate::ssh::host_keys::check::HostKeyCheck;
use crate::ssh::host_keys::known_hosts::Verdict;

/// How a connection decides about host keys.
pub(in crate::ssh) enum Trust {
    /// By what OpenSSH's configuration names.
    Check(Box<HostKeyCheck>),
    /// Never: the key is only looked at.
    Look,
}

/// What russh calls back.
pub(in crate::ssh) struct Callbacks {
    pub(in crate::ssh) link: Arc<Link>,
    pub(in crate::ssh) trust: Trust,
}

impl Callbacks {
    /// Rejects a channel that the server wants to open.
    async fn reject(&self, reply: ChannelOpenHandle) -> Result<(), russh::Error> {
        self.link.count_opened();
        reply
            .reject(ChannelOpenFailure::AdministrativelyProhibited)
            .await;
        Ok(())
    }
}

impl Handler for Callbacks {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let verdict = match &self.trust {
            Trust::Look => None,
            Trust::Check(check) => Some(check.judge(shown).await),
        };
        let trusted = matches!(verdict, Some(Verdict::Trusted(_)));
        self.link.show(shown.public_key(), verdict);
        Ok(trusted)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut Session) -> Result<(), Self::Error> {
        self.link.hear(banner.as_bytes());
        Ok(())
    }

    // russh confirms channels that nobody here asked for unless each kind is rejected.

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.reject(reply).await
    }

    async fn should_accept_unknown_server_channel(&mut self, _: ChannelId, _: &str) -> bool {
        self.link.count_opened();
        false
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.vacate(channel);
        Ok(())
    }

    async fn channel_open_failure(
        &mut self,
        _: ChannelId,
        _: ChannelOpenFailure,
        description: &str,
        _: &str,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        // OpenSSH says so where it has nothing to say.
        if !description.is_empty() && description != "open failed" {
            let said = crate::name::escape(description.as_bytes());
            self.link.refused(said.chars().take(200).collect());
        }
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        bytes: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.received(channel, bytes, false);
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        bytes: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.received(channel, bytes, true);
        Ok(())
    }

    async fn openssh_ext_host_keys_announced(
        &mut self,
        keys: Vec<PublicKey>,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.link.announce(keys);
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        let source = match &reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                Cause(format!("the host ended it: {}", one_line(&said.message)))
            }
            DisconnectReason::Error(error) => Cause::from(error),
        };
        self.link.over(source);
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }
}

/// A connection's handle.
pub(in crate::ssh) type Handle = client::Handle<Callbacks>;

#[cfg(test)]
mod tests {
    use russh::keys::ssh_encoding::Decode as _;

    use super::*;

    #[tokio::test]
    async fn channels_of_unknown_kinds_are_counted_like_all_others() {
        let link = Link::new("web");
        let mut callbacks = Callbacks {
            link: Arc::clone(&link),
            trust: Trust::Look,
        };
        for number in 1..=17_u8 {
            assert!(!link.is_cut(), "{number}");
            let id = ChannelId::decode(&mut [0, 0, 0, number].as_slice()).expect("a number");
            let accepted = callbacks
                .should_accept_unknown_server_channel(id, "auth-agent-req@example.org")
                .await;
            assert!(!accepted);
        }
        assert_eq!(
            crate::fault::chain(&link.ended()),
            [
                "lost the connection to web",
                "the host opened channels that fleet did not request"
            ]
        );
    }
}
