//! A sample checkpoint for tests.

use crate::fault::{Code, Problem};
use jiff::Timestamp;

use super::{Checkpoint, HostFacts, MachineIdentity, Part, PartState, Totals, Trigger};

/// Of `host`, with one part `app` of 2 files and 1 MiB, all of it fetched, that came out as `state`.
pub(crate) fn checkpoint(host: &str, state: PartState) -> Checkpoint {
    let id = format!("{host}@20261121T101500Z");
    let started: Timestamp = "2026-11-21T10:15:00Z".parse().expect("a time");
    Checkpoint {
        id: id.parse().expect("a name"),
        started,
        finished: started + jiff::SignedDuration::from_millis(1_500),
        trigger: Trigger::Manual,
        subset: false,
        description: String::new(),
        host: MachineIdentity {
            env: "dev".to_owned(),
            protected: false,
            address: "203.0.113.7:22".to_owned(),
            user: "operator".to_owned(),
            host_key: "SHA256:abc".to_owned(),
            machine_id: String::new(),
            os: String::new(),
            kernel: String::new(),
            hostname: host.to_owned(),
        },
        facts: HostFacts::default(),
        parts: vec![Part {
            name: "app".parse().expect("a name"),
            kind: "directory".to_owned(),
            state,
            roots: vec!["/srv/app".parse().expect("a path")],
            resolved: Vec::new(),
            exclude: Vec::new(),
            lines: None,
            left_out: Vec::new(),
            totals: Totals {
                files: 2,
                bytes: 1 << 20,
            },
            entries: 3,
            fetched_bytes: 1 << 20,
            scanned_at: None,
            warnings: Vec::new(),
            failure: (state == PartState::Failed)
                .then(|| Problem::in_part(Code::RootMissing, "/srv/app is not there", None)),
        }],
        packs: Vec::new(),
        warnings: Vec::new(),
        fetched_bytes: 1 << 20,
        stored_bytes: 1 << 19,
    }
}
