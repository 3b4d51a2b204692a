//! The connection that fleet may open to a port of a host, to see whether something takes it.

use std::fmt;
use std::num::NonZeroU16;

use crate::inventory::ProbeKind;

/// A connection to a port of the host's own addresses, through the SSH connection. Nothing is sent on it.
///
/// Nothing but a probe of the inventory makes one:
///
/// ```compile_fail,E0451
/// fn sneak(port: std::num::NonZeroU16) -> fleet::guard::TcpConnect {
///     fleet::guard::TcpConnect { port }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpConnect {
    port: NonZeroU16,
}

impl TcpConnect {
    /// Whose port: the host's, in either version of IP.
    pub const HOST: &'static str = "localhost";

    /// The connection that `probe` wants, if it is a `tcp` probe.
    #[must_use]
    pub fn of(probe: &ProbeKind) -> Option<Self> {
        match probe {
            ProbeKind::Tcp { port } => Some(Self { port: *port }),
            ProbeKind::Unit { .. }
            | ProbeKind::Http(_)
            | ProbeKind::Process(_)
            | ProbeKind::Postgres { .. } => None,
        }
    }

    /// The port.
    #[must_use]
    pub fn port(self) -> NonZeroU16 {
        self.port
    }
}

/// `localhost:5060`.
impl fmt::Display for TcpConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Self::HOST, self.port)
    }
}
