//! Services around a restore: records what is active, stops it, starts it again, and brings everything back
//! where the restore fails.
//!
//! [`record`] looks at a host and decides; [`stop`] stops what triggers a service, then the service;
//! [`still_stopped`] looks again right before files are replaced; [`reload`] and [`start`] come when they are
//! in place, and [`undo`] when they are as before. Each may be repeated: it looks first, and does what is left
//! to do.
//!
//! Units are followed to what triggers them and to what systemd stops along with them. Processes are
//! recognised by account, directory and arguments, and signalled only while they are still the same.

mod change;
mod decision;
mod error;
mod look;
mod record;
mod relations;
mod settle;
mod start;
mod stop;
mod undo;

pub use decision::{Action, StartRule};
pub use error::Error;
pub use look::record;
pub use record::{ParseRecordError, ServiceLine, ServiceRecord, UnitLine};
pub use relations::Role;
pub use start::{reload, start, start_on_another_host};
pub use stop::{still_stopped, stop};
pub use undo::undo;
