//! Resolves one service, and the accounts and packages that a fresh host needs.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::error::Rule;
use super::super::raw::{self, At, SERVICE_KEYS, SERVICE_KINDS};
use super::super::value;
use super::super::{Bootstrap, Item, ProcessService, Service, ServiceKind, Start, User};
use super::Findings;
use super::kind::{Named, argv, directory, kind};
use crate::name::ServiceName;

const GRACE: Duration = Duration::from_secs(5);

pub(super) fn service(
    said_name: &At<String>,
    raw: &raw::Service,
    findings: &mut Findings,
) -> Option<Service> {
    let name: ServiceName = findings.name(said_name)?;
    let named = Named {
        item: Item::Service,
        name: said_name,
    };
    let kind = kind(&named, &raw.keys(), SERVICE_KINDS, SERVICE_KEYS, findings)?;
    let choices = [Start::Always, Start::Ask, Start::Never].map(|start| (start.as_str(), start));
    let start = findings.take_if_set("start", raw.start.as_ref(), |text| {
        value::one_of(text, &choices)
    });
    let grace = findings.take_if_set("grace", raw.grace.as_ref(), value::duration);
    let reload = raw.reload.as_ref();
    let reload = reload.map(|said| argv("reload", said, findings));
    Some(Service {
        kind: details(&named, kind, raw, findings)?,
        name,
        place: said_name.place,
        start: start.unwrap_or_default(),
        grace: grace.unwrap_or(GRACE),
        reload,
    })
}

fn details(
    named: &Named<'_>,
    kind: &str,
    raw: &raw::Service,
    findings: &mut Findings,
) -> Option<ServiceKind> {
    let run_as = findings.take_if_set("run_as", raw.run_as.as_ref(), value::account);
    Some(match kind {
        "unit" => ServiceKind::Unit {
            unit: findings.take("unit", raw.unit.as_ref()?, value::unit)?,
            // Root has no service manager of its own: its units are the system's.
            run_as: run_as.filter(|account| account.as_str() != "root"),
        },
        "process" => {
            let argv = argv("process", raw.process.as_ref()?, findings);
            if raw.cwd.is_none() {
                named.needs(
                    "cwd",
                    "Add the directory that the process runs in, as in `cwd: /opt/app`.",
                    findings,
                );
            }
            ServiceKind::Process(ProcessService {
                argv,
                cwd: directory("cwd", raw.cwd.as_ref(), findings)?,
                run_as,
            })
        }
        _ => return None,
    })
}

/// What a profile wants on a fresh host.
pub(super) fn bootstrap(raw: &raw::Profile, findings: &mut Findings) -> Bootstrap {
    let mut bootstrap = Bootstrap::default();
    for package in findings.take_all("packages", raw.packages.as_ref(), value::package) {
        if !bootstrap.packages.contains(&package) {
            bootstrap.packages.push(package);
        }
    }
    let mut seen = BTreeSet::new();
    for said in raw.users.as_deref().unwrap_or_default() {
        if let Some(user) = user(said, findings) {
            if !seen.insert(user.name.clone()) {
                findings.add(
                    said.name.place,
                    Rule::Value {
                        key: "users",
                        why: format!("`{}` is there twice", user.name),
                        hint: "Remove one of the two.".into(),
                    },
                );
            }
            bootstrap.users.push(user);
        }
    }
    bootstrap
}

fn user(raw: &raw::User, findings: &mut Findings) -> Option<User> {
    let uid = raw.uid.as_ref().map(|said| {
        if matches!(said.value, 0 | u32::MAX) {
            findings.add(
                said.place,
                Rule::Value {
                    key: "uid",
                    why: format!("{} can't be the number of a new account", said.value),
                    hint: "Write a number from 1 to 4294967294.".into(),
                },
            );
        }
        said.value
    });
    Some(User {
        uid,
        groups: findings.take_all("groups", raw.groups.as_ref(), value::account),
        home: directory("home", raw.home.as_ref(), findings),
        name: findings.take("name", &raw.name, value::account)?,
    })
}
