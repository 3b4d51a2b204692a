//! Host arguments of a verb: names, `@ENV-or-TAG`, `--all` and `--exclude`.

use clap::Args;

use crate::engine::{Selection, Selector};

/// Which hosts a verb works on.
#[derive(Debug, Args)]
pub(super) struct Hosts {
    /// Hosts by name, or groups as @ENV-or-TAG
    #[arg(value_name = "HOST")]
    include: Vec<Selector>,

    /// Every host of the inventory
    #[arg(long)]
    all: bool,

    /// Leave out this host or @group; may be given several times
    #[arg(long, value_name = "NAME")]
    exclude: Vec<Selector>,
}

impl Hosts {
    pub(super) fn selection(&self) -> Selection {
        Selection {
            all: self.all,
            include: self.include.clone(),
            exclude: self.exclude.clone(),
        }
    }
}
