//! `tcp` probes: something takes connections at a port of the host.

use tokio::time::Instant;

use super::{Attempt, in_words};
use crate::guard::TcpConnect;
use crate::inventory::ProbeKind;
use crate::ssh::ReadSession;

pub(super) async fn check(session: &ReadSession, kind: &ProbeKind, deadline: Instant) -> Attempt {
    let Some(request) = TcpConnect::of(kind) else {
        return Err("no port".to_owned());
    };
    let limit = deadline.saturating_duration_since(Instant::now());
    match session.reach(&request, limit).await {
        Ok(()) => Ok(format!("port {} takes connections", request.port())),
        Err(error) => Err(in_words(&error)),
    }
}
