//! Values in the texts of an error that belong to one host, such as its address.

/// A value that another host has otherwise, so that two errors which differ only in it are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Specific {
    /// An address, with or without port, or a name under which a host's keys are looked up.
    Address(String),
    /// The fingerprint of a host key.
    Fingerprint(String),
    /// How long something took.
    Time(String),
}

impl Specific {
    /// The value, as it is in the texts.
    #[must_use]
    pub fn value(&self) -> &str {
        match self {
            Self::Address(value) | Self::Fingerprint(value) | Self::Time(value) => value,
        }
    }

    /// What stands in its place where it differs from host to host.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Address(_) => "ADDRESS",
            Self::Fingerprint(_) => "FINGERPRINT",
            Self::Time(_) => "TIME",
        }
    }

    /// `address:port`, which some texts have without the port.
    #[must_use]
    pub fn of_address(address: &str) -> Vec<Self> {
        let mut specifics = vec![Self::Address(address.to_owned())];
        if let Some((name, _)) = address.rsplit_once(':') {
            let name = name.trim_start_matches('[').trim_end_matches(']');
            specifics.push(Self::Address(name.to_owned()));
        }
        specifics
    }
}
