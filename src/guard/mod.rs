//! Decides which operations are allowed on which host, from the inventory alone.
//!
//! Three layers live here: default-deny rules that nothing loosens ([`judge`]), the proof of having
//! been judged ([`WritePermit`]), and the closed list of what fleet can say to a host for reading
//! ([`ReadCommand`]) or ask of a web server there ([`HttpGet`]). Nothing here does I/O, and no function
//! takes a flag that widens a permission.
//!
//! Whether a host is protected is asked of [`is_protected`] alone.

mod http_get;
mod judgement;
mod permit;
mod read_command;
mod vouched_command;

pub use http_get::HttpGet;
pub use judgement::{Decision, Judgement, Operation, Rule, is_protected, judge, protection};
pub use permit::{Refusal, WritePermit, permit};
pub use read_command::{
    Compression, DumpOf, PostgresDump, Priority, Prune, ReadCommand, Rendered, Sudo, TarFlavour,
};
pub use vouched_command::{NotVouched, VouchedCommand};
