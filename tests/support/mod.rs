//! What tests need of the world outside: real servers, broken networks, inventories, trees, the
//! program itself.

pub(crate) mod disk;
pub(crate) mod fleet;
pub(crate) mod proxy;
pub(crate) mod sshd;
pub(crate) mod testbed;
pub(crate) mod tree;
