//! What tests need of the world outside: real servers, broken networks, inventories.

pub(crate) mod proxy;
pub(crate) mod sshd;
