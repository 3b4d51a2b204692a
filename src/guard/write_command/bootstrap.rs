//! Installs packages and makes groups and users that a fresh host lacks. See `scripts/accounts/bootstrap.sh`.

use crate::guard::script::{Request, Verb};
use crate::inventory::User;
use crate::name::{AccountName, PackageName};

/// What is made, in this order. What is there already is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BootstrapChange {
    /// Packages of the host's own package manager.
    pub packages: Vec<PackageName>,
    /// Groups, with numbers of the system's.
    pub groups: Vec<AccountName>,
    /// Users, each with a group of its name.
    pub users: Vec<User>,
}

impl BootstrapChange {
    /// Whether nothing is made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.groups.is_empty() && self.users.is_empty()
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(Verb::Bootstrap);
        for package in &self.packages {
            request.with("package", package.as_str());
        }
        for group in &self.groups {
            request.with("group", group.as_str());
        }
        for user in &self.users {
            request.with("user", user.name.as_str());
            if let Some(uid) = user.uid {
                request.with("uid", uid.to_string());
            }
            if let Some(home) = &user.home {
                request.with("home", home.as_bytes());
            }
            for group in &user.groups {
                request.with("member", group.as_str());
            }
        }
        request
    }
}
