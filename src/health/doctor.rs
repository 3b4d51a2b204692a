//! Checks whether a host has what fleet needs of it.

use jiff::Timestamp;

use crate::guard::TarFlavour;
use crate::source::probe::{Probe, SudoRights};

/// A clock that is further off than this makes stamps and file times hard to compare.
const CLOCK_SKEW_MAX_SECONDS: i64 = 5;

/// The tools that fleet asks a host for.
const TOOLS_NEEDED: [&str; 3] = ["sh", "find", "tar"];

/// How good or bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// As it should be.
    Fine,
    /// It works, but not as well as it could.
    Warning,
    /// Checkpoints will fail.
    Broken,
}

impl Grade {
    /// The word for it in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it is.
    pub grade: Grade,
    /// What was found.
    pub says: String,
    /// How to mend it.
    pub hint: Option<String>,
}

/// Judges what a host reported about itself. `now` is the workstation's clock when it answered.
#[must_use]
pub fn examine(probe: &Probe, now: Timestamp) -> Vec<Finding> {
    let mut findings = vec![system(probe)];
    for tool in TOOLS_NEEDED {
        if !probe.tools.contains(tool) {
            findings.push(Finding {
                subject: "tools",
                grade: Grade::Broken,
                says: format!("there is no `{tool}`"),
                hint: Some(format!("Install `{tool}` on the host.")),
            });
        }
    }
    findings.push(find(probe));
    findings.push(tar(probe));
    findings.extend(sudo(probe));
    findings.extend(clock(probe, now));
    findings.extend(space(probe));
    findings
}

/// What ssh_config says about a host and fleet does not do: `passed_over` could not be understood,
/// `unfollowed` is not supported.
#[must_use]
pub fn ssh_config(passed_over: &[String], unfollowed: &[String]) -> Vec<Finding> {
    let finding = |says| Finding {
        subject: "ssh_config",
        grade: Grade::Warning,
        says,
        hint: None,
    };
    let unfollowed = unfollowed
        .iter()
        .map(|note| finding(format!("not followed: {note}")));
    passed_over
        .iter()
        .cloned()
        .map(finding)
        .chain(unfollowed)
        .collect()
}

fn fine(subject: &'static str, says: String) -> Finding {
    Finding {
        subject,
        grade: Grade::Fine,
        says,
        hint: None,
    }
}

fn system(probe: &Probe) -> Finding {
    fine(
        "system",
        format!(
            "{}, {}, kernel {}",
            probe.hostname,
            probe.system(),
            probe.kernel
        ),
    )
}

fn find(probe: &Probe) -> Finding {
    if probe.has_gnu_find() {
        fine("find", probe.find.clone())
    } else {
        Finding {
            subject: "find",
            grade: Grade::Warning,
            says: "not GNU find: every checkpoint fetches everything".to_owned(),
            hint: Some("Install GNU findutils on the host for incremental checkpoints.".to_owned()),
        }
    }
}

fn tar(probe: &Probe) -> Finding {
    let says = match probe.tar_flavour() {
        Some(TarFlavour::Gnu | TarFlavour::GnuDense) => return fine("tar", probe.tar.clone()),
        Some(TarFlavour::Bsd) => {
            "bsdtar, not GNU tar: files that vanish or change while they are read are not named"
        }
        None => {
            "neither GNU tar nor bsdtar: extended attributes, ACLs and file capabilities are not \
             captured, and what has an ACL is recorded with the ACL's mask as its group permissions"
        }
    };
    Finding {
        subject: "tar",
        grade: Grade::Warning,
        says: says.to_owned(),
        hint: Some("Install GNU tar on the host.".to_owned()),
    }
}

fn sudo(probe: &Probe) -> Option<Finding> {
    let account = &probe.account;
    let install = format!("Install sudo and allow it to `{account}`, or log in as root.");
    let allow = format!(
        "Allow `find` and `tar` in sudoers: `{account} ALL=(root) NOPASSWD: /usr/bin/find, /usr/bin/tar`; \
         or run fleet on a terminal, which asks for the password."
    );
    let (grade, says, hint) = match probe.sudo? {
        SudoRights::Root => (
            Grade::Fine,
            "is not needed: the account is root".to_owned(),
            None,
        ),
        SudoRights::Shell => (
            Grade::Fine,
            format!("works for `{account}` without a password"),
            None,
        ),
        SudoRights::Tools => (
            Grade::Fine,
            format!("runs `find` and `tar` for `{account}` without a password"),
            None,
        ),
        SudoRights::Nothing => (
            Grade::Warning,
            format!("needs a password for `{account}`, or does not work"),
            Some(allow),
        ),
        SudoRights::Missing => (Grade::Broken, "is not installed".to_owned(), Some(install)),
    };
    Some(Finding {
        subject: "sudo",
        grade,
        says,
        hint,
    })
}

fn clock(probe: &Probe, now: Timestamp) -> Option<Finding> {
    let skew = probe.clock?.seconds - now.as_second();
    Some(if skew.abs() <= CLOCK_SKEW_MAX_SECONDS {
        fine("clock", "agrees with the workstation's".to_owned())
    } else {
        Finding {
            subject: "clock",
            grade: Grade::Warning,
            says: format!(
                "is {} s {} the workstation's",
                skew.abs(),
                if skew > 0 { "ahead of" } else { "behind" }
            ),
            hint: Some("Let the host keep its time with NTP.".to_owned()),
        }
    })
}

fn space(probe: &Probe) -> Option<Finding> {
    let free_mib = probe.free_kib? / 1024;
    Some(fine("space", format!("{free_mib} MiB free on /")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(probe: &Probe) -> Vec<(&'static str, Grade)> {
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        examine(probe, now)
            .into_iter()
            .map(|finding| (finding.subject, finding.grade))
            .collect()
    }

    #[test]
    fn what_ssh_config_says_in_vain_is_a_warning() {
        let findings = ssh_config(&["a".to_owned()], &["b".to_owned()]);
        let texts: Vec<(Grade, &str)> = findings
            .iter()
            .map(|finding| (finding.grade, finding.says.as_str()))
            .collect();
        assert_eq!(
            texts,
            [(Grade::Warning, "a"), (Grade::Warning, "not followed: b")]
        );
    }

    #[test]
    fn a_usual_host_is_fine() {
        let probe = Probe::parse(
            b"clock=1700000003.5\nfind=find (GNU findutils) 4.9.0\ntar=tar (GNU tar) 1.34\n\
              tool=sh\ntool=find\ntool=tar\nfree_kib=2048\nsudo=yes\n",
        );
        assert_eq!(
            subjects(&probe),
            [
                ("system", Grade::Fine),
                ("find", Grade::Fine),
                ("tar", Grade::Fine),
                ("sudo", Grade::Fine),
                ("clock", Grade::Fine),
                ("space", Grade::Fine),
            ]
        );
    }

    #[test]
    fn what_is_missing_is_said_with_its_mend() {
        let probe = Probe::parse(b"account=clerk\nclock=1699999000\ntool=sh\ntool=find\nsudo=no\n");
        assert_eq!(
            subjects(&probe),
            [
                ("system", Grade::Fine),
                ("tools", Grade::Broken),
                ("find", Grade::Warning),
                ("tar", Grade::Warning),
                ("sudo", Grade::Warning),
                ("clock", Grade::Warning),
            ]
        );
        let now = Timestamp::from_second(1_700_000_000).expect("a time");
        let findings = examine(&probe, now);
        assert!(
            findings
                .iter()
                .filter(|f| f.grade != Grade::Fine)
                .all(|f| f.hint.is_some())
        );
        assert_eq!(findings[5].says, "is 1000 s behind the workstation's");
    }
}
