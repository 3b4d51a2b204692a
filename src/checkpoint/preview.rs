//! What a checkpoint would read, without reading it.

use futures_util::future::join_all;

use crate::inventory::Host;
use crate::manifest::{PartFailure, Totals};
use crate::name::{RemotePath, SourceName};
use crate::ssh::ReadSession;

use super::directory::Scanned;
use super::part::failure;

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
        /// What the operator should know.
        warnings: Vec<String>,
    },
    /// Nothing, and nothing need be.
    Absent,
    /// It would fail.
    Failed(PartFailure),
}

/// Scans every source of `host`, and fetches nothing.
pub async fn preview(host: &Host, session: &ReadSession) -> Vec<Preview> {
    let scans = host
        .sources
        .iter()
        .map(|source| super::scan(source, session));
    let scans = join_all(scans).await;
    host.sources
        .iter()
        .zip(scans)
        .map(|(source, scanned)| Preview {
            name: source.name.clone(),
            kind: source.kind.as_str(),
            found: match scanned {
                Scanned::Ready { plan, .. } => match &plan.unreadable {
                    Some(error) => Found::Failed(failure(error)),
                    None => Found::Ready {
                        roots: plan.roots,
                        totals: plan.totals,
                        warnings: plan.warnings,
                    },
                },
                Scanned::Absent => Found::Absent,
                Scanned::Failed(why) => Found::Failed(why),
                Scanned::Lost(error) => Found::Failed(failure(&error)),
            },
        })
        .collect()
}
