//! Names that must not be mixed up, each parsed once at the edge and then carried as a type.
//!
//! A value of one of these types is always well-formed. Nothing here reads a file or a clock.

mod checkpoint;
mod nearest;
mod path;
mod restore;
mod unit;
mod word;

pub use checkpoint::{CheckpointId, CheckpointRef, ParseCheckpointError, Stamp, Which};
pub use nearest::{did_you_mean, nearest};
pub use path::{ParsePathError, RemotePath, escape};
pub use restore::{ParseRestoreIdError, RestoreId};
pub use unit::{PackageName, ParsePackageError, ParseUnitError, UnitName};
pub use word::{
    AccountName, HostName, ParseAccountError, ParseNameError, ProbeName, ProfileName, ServiceName,
    SourceName,
};
