//! Previews a checkpoint: what its sources hold, without fetching anything.

use futures_util::stream::{FuturesUnordered, StreamExt as _};

use crate::event::{Event, Look, Sink};
use crate::fault::Problem;
use crate::inventory::Host;
use crate::manifest::{LeftOut, Totals};
use crate::name::{RemotePath, SourceName};
use crate::source::probe::Probe;
use crate::ssh::ReadSession;

use crate::scan::directory::Scanned;
use crate::scan::left_out::left_out;

/// What one source would read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The source.
    pub name: SourceName,
    /// Its kind.
    pub kind: &'static str,
    /// What is there.
    pub found: Found,
}

/// What is there of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This much.
    Ready {
        /// The roots that are there.
        roots: Vec<RemotePath>,
        /// Regular files and their bytes.
        totals: Totals,
        /// The file systems beneath them that are left out.
        left_out: Vec<LeftOut>,
        /// What the operator should know.
        warnings: Vec<String>,
    },
    /// Nothing, and nothing need be.
    Absent,
    /// Nobody looked: only a checkpoint asks for it.
    Unasked,
    /// It would fail.
    Failed(Problem),
}

/// Scans every source of `host`, and fetches nothing; `probe` is its own answer, and `sink` gets which ones are not done yet.
///
/// # Cancel
///
/// Dropping the future leaves nothing behind.
pub async fn preview(
    host: &Host,
    (session, probe): (&ReadSession, &Probe),
    sink: &Sink,
) -> Vec<Preview> {
    let scan = |(index, source)| async move { (index, super::scan(source, session).await) };
    let sources = host.sources.iter().enumerate();
    let mut running: FuturesUnordered<_> = sources.map(scan).collect();
    let mut left: Vec<SourceName> = host.sources.iter().map(|s| s.name.clone()).collect();
    let mut scans = Vec::new();
    let tell = |left: &[SourceName]| {
        if !left.is_empty() {
            sink(Event::of(
                &host.name,
                Look::Started {
                    sources: left.to_vec(),
                },
            ));
        }
    };
    tell(&left);
    while let Some((index, scanned)) = running.next().await {
        let source = &host.sources[index];
        left.retain(|name| *name != source.name);
        tell(&left);
        scans.push((index, source, scanned));
    }
    scans.sort_by_key(|(index, _, _)| *index);
    scans
        .into_iter()
        .map(|(_, source, scanned)| Preview {
            name: source.name.clone(),
            kind: source.kind.as_str(),
            found: match scanned {
                None => Found::Unasked,
                Some(Scanned::Ready { result, .. }) => match &result.unreadable {
                    Some(error) => Found::Failed(Problem::of_part(error)),
                    None => Found::Ready {
                        left_out: left_out(source, &result, &probe.mounts),
                        roots: result.named,
                        totals: result.totals,
                        warnings: result.warnings,
                    },
                },
                Some(Scanned::Absent) => Found::Absent,
                Some(Scanned::Failed(why)) => Found::Failed(why),
                Some(Scanned::Lost(error)) => Found::Failed(Problem::of_part(&error)),
            },
        })
        .collect()
}
