//! The engine: selects hosts, works on several at once, stops when asked, and folds the results into one
//! outcome.
//!
//! One host's failure never stops the others. Nothing here prints, and nothing outlives its run.

pub mod checkpoint;
pub mod diff;
pub mod doctor;
mod fanout;
pub mod import;
pub mod live;
mod query;
pub mod restore;
mod selection;
mod workspace;

pub use query::StoredHosts;
pub use selection::{Selection, SelectionError, Selector, host};
pub use workspace::{Clock, Network, Workspace};
