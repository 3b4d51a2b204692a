//! Finds the users and groups of this workstation that recorded owners stand for: by name first, by
//! number where no such name is known here, as tar does.

use std::collections::HashMap;

use nix::unistd::{Gid, Group, Uid, User};

/// The number that an owner gets here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    /// The user's or the group's number.
    pub(super) id: u32,
    /// It is the recorded account: found by its name, or its number belongs to nobody else here.
    pub(super) is_recorded: bool,
}

/// Looks up users and groups, each one once.
#[derive(Debug)]
pub(super) struct Accounts {
    is_numeric: bool,
    users: HashMap<(String, u64), Account>,
    groups: HashMap<(String, u64), Account>,
}

impl Accounts {
    /// With `is_numeric`, names are not looked up.
    pub(super) fn new(is_numeric: bool) -> Self {
        Self {
            is_numeric,
            users: HashMap::new(),
            groups: HashMap::new(),
        }
    }

    /// The user called `name` here, else the one with the number `uid`.
    pub(super) fn user(&mut self, name: &str, uid: u64) -> Account {
        let by_name = |name: &str| Some(User::from_name(name).ok()??.uid.as_raw());
        let is_taken = |id| matches!(User::from_uid(Uid::from_raw(id)), Ok(Some(_)));
        find(
            &mut self.users,
            self.is_numeric,
            (name, uid),
            by_name,
            is_taken,
        )
    }

    /// The group called `name` here, else the one with the number `gid`.
    pub(super) fn group(&mut self, name: &str, gid: u64) -> Account {
        let by_name = |name: &str| Some(Group::from_name(name).ok()??.gid.as_raw());
        let is_taken = |id| matches!(Group::from_gid(Gid::from_raw(id)), Ok(Some(_)));
        find(
            &mut self.groups,
            self.is_numeric,
            (name, gid),
            by_name,
            is_taken,
        )
    }
}

/// The account in `known`, looked up and added if it is not there yet.
fn find(
    known: &mut HashMap<(String, u64), Account>,
    is_numeric: bool,
    (name, number): (&str, u64),
    by_name: impl FnOnce(&str) -> Option<u32>,
    is_taken: impl FnOnce(u32) -> bool,
) -> Account {
    let key = (name.to_owned(), number);
    if let Some(account) = known.get(&key) {
        return *account;
    }
    // Numbers have 32 bits, and the last one means "unchanged" to chown.
    let by_number = u32::try_from(number).ok().filter(|id| *id != u32::MAX);
    let account = if is_numeric || name.is_empty() {
        Account {
            id: by_number.unwrap_or(u32::MAX),
            is_recorded: by_number.is_some(),
        }
    } else if let Some(id) = by_name(name) {
        Account {
            id,
            is_recorded: true,
        }
    } else {
        Account {
            id: by_number.unwrap_or(u32::MAX),
            is_recorded: by_number.is_some_and(|id| !is_taken(id)),
        }
    };
    known.insert(key, account);
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: u32, is_recorded: bool) -> Account {
        Account { id, is_recorded }
    }

    #[test]
    fn names_of_this_workstation_come_before_numbers() {
        let mut accounts = Accounts::new(false);
        assert_eq!(accounts.user("root", 3_000_000), account(0, true));
        assert_eq!(accounts.group("root", 3_000_000), account(0, true));
        let unknown = "no-such-account-here";
        assert_eq!(accounts.user(unknown, 3_000_000), account(3_000_000, true));
        assert_eq!(accounts.user("", 3_000_000), account(3_000_000, true));
        // That number is root here, which is somebody else.
        assert_eq!(accounts.user(unknown, 0), account(0, false));
        assert_eq!(accounts.group(unknown, 0), account(0, false));
        assert_eq!(accounts.user("nul\0byte", 0), account(0, false));
    }

    #[test]
    fn numbers_alone_are_taken_where_that_was_asked_for() {
        let mut accounts = Accounts::new(true);
        assert_eq!(accounts.user("root", 3_000_000), account(3_000_000, true));
        assert_eq!(accounts.group("root", 7), account(7, true));
        for none in [u64::from(u32::MAX), u64::MAX] {
            assert_eq!(accounts.user("", none), account(u32::MAX, false));
        }
    }
}
