//! Starter inventories for `fleet init`: the worked examples, which explain themselves.

/// What `fleet init` writes when nothing else is asked for.
pub const STARTER: &str = include_str!("../../inventory/minimal.yaml");

/// A ready-made profile, in an inventory with hosts that use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyMade {
    /// A Node application beside Asterisk and Homer.
    Translation,
    /// Code, settings and database schema of monitoring stations.
    Monitoring,
    /// An API gateway that systemd runs out of a Python environment.
    Gateway,
    /// A platform with workflows and a database.
    Warroom,
}

impl ReadyMade {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Translation,
        Self::Monitoring,
        Self::Gateway,
        Self::Warroom,
    ];

    /// The name of the profile, and of its file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Translation => "translation",
            Self::Monitoring => "monitoring",
            Self::Gateway => "gateway",
            Self::Warroom => "warroom",
        }
    }

    /// The inventory.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Translation => include_str!("../../inventory/translation.yaml"),
            Self::Monitoring => include_str!("../../inventory/monitoring.yaml"),
            Self::Gateway => include_str!("../../inventory/gateway.yaml"),
            Self::Warroom => include_str!("../../inventory/warroom.yaml"),
        }
    }
}
