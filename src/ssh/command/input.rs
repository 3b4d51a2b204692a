//! Standard input of a command: nothing, or bytes.

use bytes::Bytes;

/// What a command is given on its standard input.
#[derive(Clone, Default)]
pub struct Input(Bytes);

/// It may be a password: only its length is shown.
impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({} bytes)", self.length_bytes())
    }
}

impl Input {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// How many bytes it has.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(in crate::ssh) fn into_bytes(self) -> Bytes {
        self.0
    }
}
