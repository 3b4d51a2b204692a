//! The state of a pull that is kept from one stream to the next.

use std::collections::HashSet;

use crate::blocking::blocking;
use crate::guard::Compression;
use crate::name::RemotePath;
use crate::source::scan::Found;

use super::TransferOutcome;
use crate::intake::kept::Difference;
use crate::intake::receive::{self, Intake};
use crate::scan::unsized_files::ReadFile;

/// What is kept from stream to stream.
pub(super) struct Transfer {
    pub(super) difference: Difference,
    /// What has not arrived yet; none: everything that differs.
    pub(super) rest: Option<Vec<Found>>,
    /// What a second tar reads, whole: it reports no blocks. Empty once that is under way.
    pub(super) whole_files: Vec<Found>,
    pub(super) reads_whole_files: bool,
    /// Files that are there already.
    pub(super) read: Vec<ReadFile>,
    pub(super) intake: Option<Intake>,
    pub(super) compression: Compression,
    pub(super) bytes_per_second: Option<u64>,
}

impl Transfer {
    pub(super) fn wanted(&self) -> &[Found] {
        self.rest.as_deref().unwrap_or(&self.difference.fetch)
    }

    /// Puts off what reports no blocks; without anything else, begins with it.
    pub(super) fn put_off(&mut self, lacks_blocks: impl Fn(&Found) -> bool) {
        if !self.difference.fetch.iter().any(&lacks_blocks) {
            return;
        }
        let all = self.difference.fetch.iter().cloned();
        let (whole_files, rest): (Vec<_>, Vec<_>) = all.partition(lacks_blocks);
        (self.whole_files, self.rest) = (whole_files, Some(rest));
        if self.wanted().is_empty() {
            self.begin_whole_files();
        }
    }

    /// Goes on to what was put off; false if there is nothing.
    pub(super) fn begin_whole_files(&mut self) -> bool {
        if self.whole_files.is_empty() {
            return false;
        }
        self.rest = Some(std::mem::take(&mut self.whole_files));
        self.reads_whole_files = true;
        true
    }

    /// Takes what is known of the link.
    pub(super) fn learn(&mut self, measured: Option<u64>) {
        // What is compressed may come as slowly as the host compresses: it tells how fast the link is
        // at least.
        self.bytes_per_second = match (self.compression, measured) {
            (Compression::None, Some(measured)) => Some(measured),
            (Compression::Gzip | Compression::Zstd, Some(measured)) => self
                .bytes_per_second
                .is_none_or(|known| measured > known)
                .then_some(measured)
                .or(self.bytes_per_second),
            (_, None) => self.bytes_per_second,
        };
    }

    /// Ends before everything has come. What arrived is kept.
    pub(super) async fn stop_short(
        self,
        mut pulled: TransferOutcome,
        said: Vec<u8>,
    ) -> Result<(Difference, TransferOutcome), receive::Error> {
        if let Some(intake) = self.intake {
            pulled.received = blocking(move || intake.finish()).await?;
            pulled.stderr = said;
        }
        Ok((self.difference, pulled))
    }

    /// What has not arrived.
    pub(super) fn set_rest(&mut self, intake: &Intake) {
        let arrived: HashSet<&RemotePath> = intake.arrived().collect();
        let rest = self.wanted().iter();
        let rest = rest.filter(|found| !arrived.contains(&found.path)).cloned();
        self.rest = Some(rest.collect());
    }
}
