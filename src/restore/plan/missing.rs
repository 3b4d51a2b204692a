//! What a target lacks that a restore cannot put back: users, groups and packages, each with the command that
//! would make it.

use std::collections::BTreeSet;

use crate::guard::ReadCommand;
use crate::inventory::{Bootstrap, User};
use crate::name::AccountName;
use crate::restore::accounts::{Accounts, OwnerNames};
use crate::ssh::{self, Input, ReadSession};
use crate::units::listing;

/// More than this is no answer about the packages of one inventory.
const ANSWER_MAX_BYTES: usize = 1 << 20;

/// What a target lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Packages that the inventory names.
    pub packages: Vec<Lack>,
    /// Packages of which nothing is known: the host has no package manager that is known here.
    pub unknown_packages: Vec<String>,
    /// Groups that the inventory names, or that files of the checkpoint belong to.
    pub groups: Vec<Lack>,
    /// Users, likewise.
    pub users: Vec<Lack>,
    /// Users whose number on the host is not that of the inventory: name, number there, number here.
    pub other_numbers: Vec<(String, u64, u32)>,
}

/// One thing that a target lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Its name.
    pub name: String,
    /// The inventory names it under `users` or `packages`.
    pub is_declared: bool,
    /// What makes it, run as root; none where the host has no tool that is known here.
    pub command: Option<String>,
}

/// The tools of a host.
#[derive(Debug, Default)]
struct Tools {
    manager: Option<String>,
    accounts: Option<String>,
    installed: BTreeSet<String>,
}

impl Missing {
    /// Asks the host what it lacks of what the inventory declares, and of the `owners` of the checkpoint that
    /// it was found to lack: users, then groups.
    ///
    /// # Errors
    ///
    /// [`ssh::Error`] if it does not answer.
    pub async fn of(
        declared: &Bootstrap,
        (users, groups): &(Vec<String>, Vec<String>),
        session: &ReadSession,
    ) -> Result<Self, ssh::Error> {
        let mut asked = OwnerNames::default();
        asked.users.extend(users.iter().cloned());
        asked.groups.extend(groups.iter().cloned());
        for user in &declared.users {
            asked.users.insert(user.name.to_string());
            // Whether there is one already decides how the user is made.
            asked.groups.insert(user.name.to_string());
            asked
                .groups
                .extend(user.groups.iter().map(ToString::to_string));
        }
        asked.groups.extend(users.iter().cloned());
        if asked == OwnerNames::default() && declared.packages.is_empty() {
            return Ok(Self::default());
        }
        let accounts = Accounts::of(&asked, session).await?;
        let command = ReadCommand::Packages {
            names: declared.packages.clone(),
        };
        let answer = session
            .output(&command, false, Input::none(), ANSWER_MAX_BYTES)
            .await?;
        let tools = Tools::parse(&answer.stdout);
        Ok(Self::compared(declared, &asked, groups, &accounts, &tools))
    }

    fn compared(
        declared: &Bootstrap,
        asked: &OwnerNames,
        owning_groups: &[String],
        accounts: &Accounts,
        tools: &Tools,
    ) -> Self {
        let (users, groups) = accounts.missing(asked);
        let declaration = |name: &str| declared.users.iter().find(|u| u.name.as_str() == name);
        let is_declared_group = |name: &str| {
            let mut all = declared.users.iter().flat_map(|user| &user.groups);
            all.any(|group| group.as_str() == name)
        };
        let needed = |name: &&String| {
            // The group of a new user's name is made with the user.
            !users.contains(*name) && (owning_groups.contains(*name) || is_declared_group(name))
        };
        let group = |name: &String| Lack {
            name: name.clone(),
            is_declared: is_declared_group(name),
            command: tools.group(name),
        };
        let user = |name: &String| Lack {
            name: name.clone(),
            is_declared: declaration(name).is_some(),
            command: tools.user(name, declaration(name), !groups.contains(name)),
        };
        let lacking = declared.packages.iter().map(ToString::to_string);
        let lacking = lacking.filter(|name| !tools.installed.contains(name));
        let (lacking, unknown_packages): (Vec<String>, Vec<String>) =
            lacking.partition(|_| tools.manager.is_some());
        let package = |name: String| Lack {
            command: tools.package(&name),
            is_declared: true,
            name,
        };
        let other_number = |user: &User| {
            let there = accounts.user(user.name.as_str())?;
            let here = user.uid.filter(|uid| u64::from(*uid) != there)?;
            Some((user.name.to_string(), there, here))
        };
        Self {
            packages: lacking.into_iter().map(package).collect(),
            unknown_packages,
            groups: groups.iter().filter(needed).map(group).collect(),
            users: users.iter().map(user).collect(),
            other_numbers: declared.users.iter().filter_map(other_number).collect(),
        }
    }

    /// Everything, in the order in which it is made: packages often bring users with them.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Lack)> {
        named("package", &self.packages)
            .chain(named("group", &self.groups))
            .chain(named("user", &self.users))
    }

    /// What the operator should know.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let number = |(name, there, here): &(String, u64, u32)| {
            format!(
                "user {name} has the number {there} on the host, and {here} in the inventory: its files get {there}"
            )
        };
        let mut warnings: Vec<String> = self.other_numbers.iter().map(number).collect();
        if !self.unknown_packages.is_empty() {
            let names = &self.unknown_packages;
            warnings.push(format!(
                "whether the host has these packages is not known, for it has no apt-get, apk, dnf, yum or zypper: {}",
                listing(names.len(), names)
            ));
        }
        warnings
    }
}

fn named<'a>(
    what: &'static str,
    lacks: &'a [Lack],
) -> impl Iterator<Item = (&'static str, &'a Lack)> {
    lacks.iter().map(move |lack| (what, lack))
}

impl Tools {
    /// Reads lines `manager TOOL`, `accounts TOOL` and `installed NAME`.
    fn parse(answer: &[u8]) -> Self {
        let mut tools = Self::default();
        for line in String::from_utf8_lossy(answer).lines() {
            match line.split_once(' ') {
                Some(("manager", tool)) => tools.manager = Some(tool.to_owned()),
                Some(("accounts", tool)) => tools.accounts = Some(tool.to_owned()),
                Some(("installed", name)) => {
                    tools.installed.insert(name.to_owned());
                }
                _ => {}
            }
        }
        tools
    }

    fn package(&self, name: &str) -> Option<String> {
        Some(match self.manager.as_deref()? {
            "apt-get" => format!("apt-get install -y {name}"),
            "apk" => format!("apk add {name}"),
            "zypper" => format!("zypper --non-interactive install {name}"),
            "dnf" => format!("dnf install -y {name}"),
            "yum" => format!("yum install -y {name}"),
            _ => return None,
        })
    }

    fn group(&self, name: &str) -> Option<String> {
        let name = word(name)?;
        Some(match self.accounts.as_deref()? {
            "useradd" => format!("groupadd --system {name}"),
            "adduser" => format!("addgroup -S {name}"),
            _ => return None,
        })
    }

    /// What makes a user as the inventory declares it, else an account of the system's without a home.
    fn user(&self, name: &str, declared: Option<&User>, has_group: bool) -> Option<String> {
        let name = word(name)?;
        let mut words: Vec<String> = Vec::new();
        let mut add = |text: String| words.push(text);
        let uid = declared.and_then(|user| user.uid);
        let home = declared.and_then(|user| user.home.as_ref());
        let home = home.map(ToString::to_string);
        let groups = declared.map_or(&[][..], |user| &user.groups);
        match self.accounts.as_deref()? {
            "useradd" => {
                add("useradd".to_owned());
                if declared.is_none() {
                    add("--system".to_owned());
                }
                if let Some(uid) = uid {
                    add(format!("--uid {uid}"));
                }
                add(if has_group {
                    format!("--gid {name}")
                } else {
                    "--user-group".to_owned()
                });
                if !groups.is_empty() {
                    let groups: Vec<&str> = groups.iter().map(AccountName::as_str).collect();
                    add(format!("--groups {}", groups.join(",")));
                }
                match home {
                    Some(home) => add(format!("--create-home --home-dir {}", word(&home)?)),
                    None => add("--no-create-home".to_owned()),
                }
                add(name.to_owned());
            }
            "adduser" => {
                add("adduser -D".to_owned());
                if declared.is_none() {
                    add("-S".to_owned());
                }
                if let Some(uid) = uid {
                    add(format!("-u {uid}"));
                }
                if has_group {
                    add(format!("-G {name}"));
                }
                match home {
                    Some(home) => add(format!("-h {}", word(&home)?)),
                    None => add("-H".to_owned()),
                }
                add(name.to_owned());
                for group in groups {
                    add(format!("&& addgroup {name} {group}"));
                }
            }
            _ => return None,
        }
        Some(words.join(" "))
    }
}

/// `text` where a shell takes it as one word and no option.
fn word(text: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+');
    let is_word = !text.is_empty() && !text.starts_with('-') && text.chars().all(is_plain);
    is_word.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, uid: Option<u32>, groups: &[&str], home: Option<&str>) -> User {
        User {
            name: name.parse().expect("a name"),
            uid,
            groups: groups.iter().map(|g| g.parse().expect("a name")).collect(),
            home: home.map(|home| home.parse().expect("a path")),
        }
    }

    fn tools(accounts: &str, manager: &str) -> Tools {
        Tools {
            accounts: Some(accounts.to_owned()),
            manager: Some(manager.to_owned()),
            installed: BTreeSet::new(),
        }
    }

    #[test]
    fn users_are_made_as_they_are_declared() {
        let app = user("app", Some(1005), &["audio", "lp"], Some("/home/app"));
        for (accounts, has_group, command) in [
            (
                "useradd",
                false,
                "useradd --uid 1005 --user-group --groups audio,lp --create-home --home-dir /home/app app",
            ),
            (
                "adduser",
                true,
                "adduser -D -u 1005 -G app -h /home/app app && addgroup app audio && addgroup app lp",
            ),
        ] {
            let made = tools(accounts, "apk").user("app", Some(&app), has_group);
            assert_eq!(made.as_deref(), Some(command));
        }
        let made = tools("useradd", "apk").user("asterisk", None, true);
        assert_eq!(
            made.as_deref(),
            Some("useradd --system --gid asterisk --no-create-home asterisk")
        );
    }

    #[test]
    fn without_a_package_manager_nothing_is_known_of_packages() {
        let declared = Bootstrap {
            packages: vec!["nodejs".parse().expect("a name")],
            users: Vec::new(),
        };
        let (asked, accounts) = (OwnerNames::default(), Accounts::default());
        let with = |tools: &Tools| Missing::compared(&declared, &asked, &[], &accounts, tools);
        let unknown = with(&Tools::default());
        assert_eq!(unknown.packages, []);
        assert_eq!(unknown.warnings().len(), 1);
        let known = with(&tools("adduser", "apk"));
        assert_eq!(known.packages[0].command.as_deref(), Some("apk add nodejs"));
        assert_eq!(known.warnings(), Vec::<String>::new());
    }

    #[test]
    fn no_command_is_made_of_a_name_that_a_shell_would_take_apart() {
        let tools = tools("useradd", "apt-get");
        for name in ["a b", "-x", "a;id", "$(id)", "a'b", ""] {
            assert_eq!(tools.user(name, None, false), None, "{name}");
            assert_eq!(tools.group(name), None, "{name}");
        }
        assert_eq!(Tools::default().group("app"), None);
    }
}
