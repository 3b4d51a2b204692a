//! `http` probes: a web server of the host answers with a status and, in JSON, with certain values.

use tokio::time::Instant;

use super::{Attempt, in_words};
use crate::guard::HttpGet;
use crate::inventory::HttpProbe;
use crate::name::escape;
use crate::source::http::{self, Answer};
use crate::ssh::ReadSession;

/// A longer answer is not read for the values in it.
const ANSWER_MAX_BYTES: u64 = 4 << 20;

/// Of a value that is another one than it should be, so many characters are shown.
const SHOWN_MAX_CHARS: usize = 60;

pub(super) async fn check(session: &ReadSession, probe: &HttpProbe, deadline: Instant) -> Attempt {
    let request = HttpGet::of_probe(probe);
    let limit = deadline.saturating_duration_since(Instant::now());
    let reached = session.open_forward(&request, limit).await;
    let reached = reached.map_err(|error| in_words(&error))?;
    let answer = http::ask(reached, &request, &[]).await;
    let mut answer = answer.map_err(|error| in_words(&error))?;
    answer
        .check(probe.status)
        .map_err(|error| in_words(&error))?;
    if probe.json.is_empty() {
        return Ok(format!("status {}", probe.status));
    }
    let text = whole(&mut answer).await?;
    let document: serde_json::Value =
        serde_json::from_slice(&text).map_err(|_| "the answer is not JSON".to_owned())?;
    for (path, wanted) in &probe.json {
        match path.find(&document) {
            Some(found) if wanted.is(found) => {}
            Some(found) => {
                let found = found.to_string();
                let cut: String = found.chars().take(SHOWN_MAX_CHARS).collect();
                let more = if cut.len() < found.len() { "…" } else { "" };
                let shown = escape(cut.as_bytes());
                return Err(format!("`{path}` is {shown}{more}, not {wanted}"));
            }
            None => return Err(format!("the answer has no `{path}`")),
        }
    }
    let values = probe.json.iter();
    let values: Vec<String> = values
        .map(|(path, wanted)| format!("`{path}` is {wanted}"))
        .collect();
    Ok(format!("status {}, {}", probe.status, values.join(", ")))
}

async fn whole(answer: &mut Answer) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    loop {
        match answer.next(ANSWER_MAX_BYTES).await {
            Ok(Some(piece)) => text.extend_from_slice(&piece),
            Ok(None) => return Ok(text),
            Err(error) => return Err(in_words(&error)),
        }
    }
}
