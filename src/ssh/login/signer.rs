//! Signatures for a login: with keys from files, by the hash that the server takes; and with an agent's
//! keys, which may wait for a person to touch or confirm something.

use std::sync::Arc;
use std::time::Duration;

use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::private::KeypairData;
use russh::keys::{HashAlg, PrivateKey};
use tokio::net::UnixStream;

use crate::ssh::connection::clock::Clock;

/// An agent that has not signed after this does not get touched.
const SIGNATURE_MAX: Duration = Duration::from_secs(60);

/// Signs with a key from a file; for certificates, where russh itself would sign RSA with SHA-1.
pub(in crate::ssh) struct FileSigner {
    pub(in crate::ssh) key: Arc<PrivateKey>,
    pub(in crate::ssh) hash: Option<HashAlg>,
}

/// A signature could not be made.
#[derive(Debug, thiserror::Error)]
pub(in crate::ssh) enum SignError {
    #[error("the connection is gone")]
    Send(#[from] russh::SendError),
    #[error("can't sign")]
    Sign(#[from] russh::keys::signature::Error),
    #[error("can't encode the signature")]
    Encode(#[from] russh::keys::ssh_encoding::Error),
    #[error("can't encode the signature")]
    Key(#[from] russh::keys::ssh_key::Error),
}

impl russh::Signer for FileSigner {
    type Error = SignError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        use russh::keys::signature::Signer as _;
        use russh::keys::ssh_encoding::Encode as _;

        let signature: russh::keys::ssh_key::Signature = match self.key.key_data() {
            KeypairData::Rsa(pair) => (pair, self.hash).try_sign(&to_sign)?,
            _ => self.key.try_sign(&to_sign)?,
        };
        // What is asked for is the signed data with the signature behind it, as a string.
        let mut blob = Vec::new();
        signature.encode(&mut blob)?;
        blob.as_slice().encode(&mut to_sign)?;
        Ok(to_sign)
    }
}

/// Signs with a key of an agent. The login's clock stands still meanwhile.
pub(in crate::ssh) struct AgentSigner<'a> {
    pub(in crate::ssh) agent: &'a mut AgentClient<UnixStream>,
    pub(in crate::ssh) clock: Clock,
}

/// The agent did not sign.
#[derive(Debug, thiserror::Error)]
pub(in crate::ssh) enum AgentError {
    #[error("the connection is gone")]
    Send(#[from] russh::SendError),
    #[error("{0}")]
    Agent(#[from] russh::AgentAuthError),
    #[error("no answer within {} s", SIGNATURE_MAX.as_secs())]
    Slow,
}

impl russh::Signer for AgentSigner<'_> {
    type Error = AgentError;

    async fn auth_sign(
        &mut self,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let pause = self.clock.pause();
        let signing = self.agent.auth_sign(identity, hash, to_sign);
        let signed = tokio::time::timeout(SIGNATURE_MAX, signing).await;
        drop(pause);
        Ok(signed.map_err(|_| AgentError::Slow)??)
    }
}
