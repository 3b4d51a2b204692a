//! Resolves one probe.

use std::num::NonZeroU16;
use std::time::Duration;

use super::super::error::Rule;
use super::super::raw::{self, At, PROBE_KEYS, PROBE_KINDS, Scalar};
use super::super::value;
use super::super::{HttpProbe, Item, JsonPath, JsonValue, Probe, ProbeKind, ProcessProbe};
use super::Findings;
use super::kind::{Named, argv, directory, kind, some_status};
use crate::name::ProbeName;

const WITHIN: Duration = Duration::from_secs(10);

pub(super) fn probe(
    said_name: &At<String>,
    raw: &raw::Probe,
    findings: &mut Findings,
) -> Option<Probe> {
    let name: ProbeName = findings.name(said_name)?;
    let named = Named {
        item: Item::Probe,
        name: said_name,
    };
    let kind = kind(&named, &raw.keys(), PROBE_KINDS, PROBE_KEYS, findings)?;
    let within = findings.take_if_set("within", raw.within.as_ref(), value::duration);
    Some(Probe {
        kind: details(kind, raw, findings)?,
        name,
        place: said_name.place,
        within: within.unwrap_or(WITHIN),
    })
}

fn details(kind: &str, raw: &raw::Probe, findings: &mut Findings) -> Option<ProbeKind> {
    let run_as = findings.take_if_set("run_as", raw.run_as.as_ref(), value::account);
    Some(match kind {
        "unit" => ProbeKind::Unit {
            unit: findings.take("unit", raw.unit.as_ref()?, value::unit)?,
            run_as: run_as.filter(|account| account.as_str() != "root"),
        },
        "http" => {
            let json = json(raw.json.as_ref(), findings);
            let status = some_status(raw.status.as_ref(), findings);
            ProbeKind::Http(HttpProbe {
                url: findings.take("http", raw.http.as_ref()?, value::url)?,
                status,
                json,
            })
        }
        "tcp" => ProbeKind::Tcp {
            port: NonZeroU16::new(findings.port("tcp", raw.tcp.as_ref())?)?,
        },
        "process" => ProbeKind::Process(ProcessProbe {
            argv: argv("process", raw.process.as_ref()?, findings),
            cwd: directory("cwd", raw.cwd.as_ref(), findings),
            run_as,
        }),
        "postgres" => ProbeKind::Postgres {
            database: findings.take("postgres", raw.postgres.as_ref()?, value::database)?,
            run_as,
        },
        _ => return None,
    })
}

/// The values that the JSON of an answer must have.
fn json(
    said: Option<&At<raw::Entries<Scalar>>>,
    findings: &mut Findings,
) -> Vec<(JsonPath, JsonValue)> {
    let Some(said) = said else {
        return Vec::new();
    };
    if said.value.0.is_empty() {
        findings.add(
            said.place,
            Rule::Value {
                key: "json",
                why: "it names nothing".to_owned(),
                hint: "Name a value, as in `json: { data.0.id: whisper }`, or remove it.".into(),
            },
        );
    }
    let mut wanted = Vec::new();
    for (path, scalar) in &said.value.0 {
        let value = match scalar {
            Scalar::Null => JsonValue::Null,
            Scalar::Bool(value) => JsonValue::Bool(*value),
            Scalar::Number(number) => JsonValue::Number(number.clone()),
            Scalar::Text(text) => JsonValue::Text(text.clone()),
        };
        if let Some(path) = findings.take("json", path, value::json_path) {
            wanted.push((path, value));
        }
    }
    wanted
}
