//! Where a machine is on the network, compared so that two spellings of one address are the same.

use std::fmt;
use std::net::IpAddr;

/// Address and port of an SSH server, and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The address as it is configured, in its plain spelling.
    address: String,
    /// What that name resolves to.
    resolved: Vec<IpAddr>,
    port: u16,
    /// What the connection goes through; empty: straight.
    via: String,
}

impl Location {
    /// A server at `address` and `port`, through `via`, a text that is the same for the same way; empty:
    /// straight.
    #[must_use]
    pub fn new(address: &str, port: u16, via: impl Into<String>) -> Self {
        Self {
            address: plain(address),
            resolved: Vec::new(),
            port,
            via: via.into(),
        }
    }

    /// The same with the addresses that the name resolves to.
    #[must_use]
    pub fn resolved(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter();
        self.resolved = addresses.map(|address| address.to_canonical()).collect();
        self
    }

    /// Whether both lead to one server: the same port, and an address in common.
    ///
    /// A private address, or a name, behind a bastion may be another machine than the same one elsewhere:
    /// it counts for the same way only. A public address is one machine from everywhere.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        if self.port != other.port {
            return false;
        }
        let is_same_way = self.via == other.via;
        if is_same_way && self.address == other.address {
            return true;
        }
        let addresses = self.addresses();
        let mut common = other.addresses().into_iter();
        common.any(|address| addresses.contains(&address) && (is_same_way || is_public(address)))
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.resolved.clone();
        addresses.extend(self.address.parse::<IpAddr>());
        addresses
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.address.contains(':') {
            write!(f, "[{}]:{}", self.address, self.port)
        } else {
            write!(f, "{}:{}", self.address, self.port)
        }
    }
}

/// One spelling of an address: lower case, no brackets, no final dot, IPv6 as short as it gets, and IPv4
/// where it is only wrapped in IPv6.
fn plain(address: &str) -> String {
    let address = address.trim().to_ascii_lowercase();
    let inner = address
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = inner.unwrap_or(&address);
    let address = address.strip_suffix('.').unwrap_or(address);
    match address.parse::<IpAddr>() {
        Ok(parsed) => parsed.to_canonical().to_string(),
        Err(_) => address.to_owned(),
    }
}

/// Whether an address means the same machine wherever it is used.
///
/// Source: RFC 6890 (special-purpose addresses), RFC 6598 (shared address space).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || is_shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}
