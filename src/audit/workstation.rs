//! Where the state of this workstation is kept, and who works here.

use std::ffi::OsStr;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use super::error::Error;

/// The folder for state: `named`, which is the value of `FLEET_STATE`, else `fleet` in the user's state
/// folder. An empty name is none.
///
/// # Errors
///
/// [`Error::NoHome`], and [`Error::Io`] if the current folder is gone and the name is relative to it.
pub fn state_dir(named: Option<&OsStr>) -> Result<PathBuf, Error> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        return std::path::absolute(&named).map_err(|source| Error::io("find", &named, source));
    }
    let base = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    Ok(state.join("fleet"))
}

/// Account and workstation, as `user@name`. The system is asked, not the environment, which anybody can set.
pub(super) fn who() -> String {
    let uid = nix::unistd::getuid();
    let user = match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    };
    let uname = rustix::system::uname();
    format!("{user}@{}", uname.nodename().to_string_lossy())
}
