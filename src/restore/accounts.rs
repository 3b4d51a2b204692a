//! Which users and groups a host has: what the owners of a checkpoint will be there.

use std::collections::{BTreeMap, BTreeSet};

use crate::guard::ReadCommand;
use crate::manifest::Owner;
use crate::name::RemotePath;
use crate::ssh::{self, Input, ReadSession};

/// More than this is no answer about the owners of one checkpoint.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// The names of owners in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnerNames {
    /// Users.
    pub users: BTreeSet<String>,
    /// Groups.
    pub groups: BTreeSet<String>,
}

impl OwnerNames {
    /// Adds those of `owner`.
    pub fn add(&mut self, owner: &Owner) {
        for (names, name) in [
            (&mut self.users, &owner.user),
            (&mut self.groups, &owner.group),
        ] {
            if !name.is_empty() && !names.contains(name) {
                names.insert(name.clone());
            }
        }
    }
}

/// The numbers that a host has for names of users and groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    users: BTreeMap<String, u64>,
    groups: BTreeMap<String, u64>,
    home: Option<RemotePath>,
}

impl Accounts {
    /// Asks the host for `names`.
    ///
    /// # Errors
    ///
    /// [`ssh::Error`] if it does not answer.
    pub async fn of(names: &OwnerNames, session: &ReadSession) -> Result<Self, ssh::Error> {
        let command = ReadCommand::Accounts {
            users: names.users.iter().cloned().collect(),
            groups: names.groups.iter().cloned().collect(),
        };
        let answer = session
            .output(&command, false, Input::none(), ANSWER_MAX_BYTES)
            .await?;
        Ok(Self::parse(&answer.stdout))
    }

    /// Reads lines `user NUMBER NAME` and `group NUMBER NAME`.
    fn parse(answer: &[u8]) -> Self {
        let mut accounts = Self::default();
        for line in String::from_utf8_lossy(answer).lines() {
            if let Some(home) = line.strip_prefix("home ") {
                accounts.home = RemotePath::from_bytes(home.as_bytes()).ok();
                continue;
            }
            let mut words = line.splitn(3, ' ');
            let (Some(kind), Some(number), Some(name)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Ok(number) = number.parse() else { continue };
            match kind {
                "user" => accounts.users.insert(name.to_owned(), number),
                "group" => accounts.groups.insert(name.to_owned(), number),
                _ => None,
            };
        }
        accounts
    }

    /// What `owner` will be on the host: by name where the host has that name, else by number.
    #[must_use]
    pub fn owner(&self, owner: &Owner) -> Owner {
        let known = |accounts: &BTreeMap<String, u64>, name: &str, number| {
            let found = accounts.get(name);
            (
                found.copied().unwrap_or(number),
                found.map(|_| name.to_owned()).unwrap_or_default(),
            )
        };
        let (uid, user) = known(&self.users, &owner.user, owner.uid);
        let (gid, group) = known(&self.groups, &owner.group, owner.gid);
        Owner {
            uid,
            gid,
            user,
            group,
        }
    }

    /// The number of a user; none if the host was not asked for it or does not have it.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<u64> {
        self.users.get(name).copied()
    }

    /// The files that let somebody log in to the account that logged in.
    #[must_use]
    pub fn authorized_keys(&self) -> Vec<RemotePath> {
        let home = self.home.iter();
        let of = |home: &RemotePath| {
            [b".ssh/authorized_keys".as_slice(), b".ssh/authorized_keys2"]
                .iter()
                .filter_map(|name| home.join(name).ok())
                .collect::<Vec<_>>()
        };
        home.flat_map(of).collect()
    }

    /// The names that the host does not have: users, then groups.
    #[must_use]
    pub fn missing(&self, names: &OwnerNames) -> (Vec<String>, Vec<String>) {
        let lacks = |names: &BTreeSet<String>, has: &BTreeMap<String, u64>| {
            let missing = names.iter().filter(|name| !has.contains_key(*name));
            missing.cloned().collect()
        };
        (
            lacks(&names.users, &self.users),
            lacks(&names.groups, &self.groups),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_go_by_name_and_else_by_number() {
        let accounts =
            Accounts::parse(b"home /home/app\nuser 1005 app\ngroup 7 lp\nnoise\nuser x y\n");
        let owner = |uid, gid, user: &str, group: &str| Owner {
            uid,
            gid,
            user: user.to_owned(),
            group: group.to_owned(),
        };
        assert_eq!(
            accounts.owner(&owner(1000, 1000, "app", "app")),
            owner(1005, 1000, "app", "")
        );
        let mut names = OwnerNames::default();
        names.add(&owner(1000, 1000, "app", "app"));
        names.add(&owner(1, 1, "", ""));
        assert_eq!(
            accounts.missing(&names),
            (Vec::new(), vec!["app".to_owned()])
        );
    }
}
