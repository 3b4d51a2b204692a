//! Decides which operations are allowed on which host, from the inventory alone.
//!
//! Three layers live here: default-deny rules that nothing loosens ([`judge`]), the proof of having
//! been judged ([`WritePermit`]), and the closed lists of what fleet can say to a host for reading
//! ([`ReadCommand`]), for writing ([`WriteCommand`]), or ask of a server there ([`HttpGet`], [`TcpConnect`]). Nothing
//! here does I/O, and no function takes a flag that widens a permission.
//!
//! Whether a host is protected is asked of [`is_protected`] alone. Whether a machine is one under another
//! name, its host keys and machine-id tell: see [`identity`].

mod http_get;
pub mod identity;
mod judgement;
mod permit;
mod postgres_server;
mod read_command;
mod rendered;
mod script;
mod tcp_connect;
mod vouched_command;
mod write_command;

pub use http_get::HttpGet;
pub use judgement::{Decision, Judgement, Operation, Rule, is_protected, judge, protection};
pub use permit::{Refusal, WritePermit, permit};
pub use postgres_server::PostgresServer;
pub use read_command::{
    Compression, DatabaseFacts, DumpOf, FactsFrom, PostgresDump, ProcessPattern, Prune,
    ReadCommand, ServiceQuery, TarFlavour,
};
pub use rendered::{Priority, Rendered, Sudo};
pub use tcp_connect::TcpConnect;
pub use vouched_command::{NotVouched, VouchedCommand};
pub use write_command::{
    BootstrapChange, DatabaseChange, DatabaseNames, DatabaseStep, Launch, ProcessId, ReloadHook,
    RestoreRoot, RestoreTools, ServiceChange, Signal, Transaction, TransactionStep, UnitChange,
    WriteCommand,
};
