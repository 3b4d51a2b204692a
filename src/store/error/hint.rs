//! Hints of the store's errors: how each of them is mended.

use std::io;

use super::{Error, is_too_new};
use crate::fault::Fault;
use crate::name::{CheckpointId, HostName, did_you_mean};
use crate::store::files::layout::STORE_FILE;
use crate::store::query::find::Skipped;
use crate::store::record;

/// Full sentences that tell the operator what to do; none if nothing helps.
pub(super) fn of(error: &Error) -> Option<String> {
    let words = match error {
        // The store as a whole.
        Error::NoStore { .. } => {
            "The first `fleet checkpoint HOST` creates the store; name another one with `--store DIR`."
        }
        Error::NotAStore { .. } => "Choose an empty or a new directory with `--store DIR`.",
        Error::Newer { .. } => "Use the newer fleet, or another store.",
        Error::Needs { .. } => {
            "A newer fleet made this checkpoint: upgrade fleet to read it. All other checkpoints can be used."
        }
        Error::Locked { .. } => {
            "Wait for it with `--wait 10m`, or stop that run. The lock is released when that process exits."
        }
        Error::Damaged { file, .. } => return Some(damage_hint(file)),
        Error::Content { .. } => DAMAGE,

        // What was asked for is not there, or is more than one thing.
        Error::UnknownHost { nearest, known, .. } => {
            return Some(host_hint(nearest.as_ref(), known));
        }
        Error::UnknownCheckpoint { reference, known } => {
            return Some(checkpoint_hint(&reference.host, known));
        }
        Error::NoneCounts { skipped, .. } => {
            let named: Vec<Named<'_>> = skipped.iter().rev().map(Named).collect();
            return Some(format!("Name one by its stamp: {}.", list(&named)));
        }
        Error::Ambiguous { matches, .. } => {
            return Some(format!("Write more of the stamp: {}.", list(matches)));
        }
        Error::Uncountable { newer, source, .. } => {
            return Some(uncountable_hint(&newer.host, source));
        }
        Error::NoPart { checkpoint, .. } => {
            return Some(format!(
                "`fleet show {checkpoint}` lists its sources and their state."
            ));
        }
        Error::NoEntry { .. } | Error::NoHistory { .. } => {
            "Give the absolute path on the host, or `fleet-captures/SOURCE/FILE`."
        }
        Error::Removed { checkpoint } => {
            return Some(format!(
                "`fleet ls {}` shows what there is.",
                checkpoint.host
            ));
        }
        Error::NotAFile {
            checkpoint,
            points_to,
            ..
        } => return Some(content_hint(checkpoint, points_to.as_deref())),

        // The target of an export.
        Error::TargetExists { .. } => "Remove it first, or choose another name.",
        Error::Occupied { .. } => {
            "Nothing was written. Choose another directory, or move those files away."
        }
        Error::TargetNotEmpty { .. } => "Choose an empty or a new directory.",
        Error::UnknownFormat { .. } => {
            "End the name with `.tar`, `.tar.gz`, `.tgz` or `.tar.zst`, or with `/` for a directory; with `-o -`, set `--format tar.zst`."
        }
        Error::Collision { .. } => {
            "Export only what you need with `--only SOURCE`, or leave out `--layout`, which keeps every path apart. For the next checkpoint, `file` gives a capture another name."
        }

        // The operating system, and what nobody outside can mend.
        Error::Io(failed) if failed.source.kind() == io::ErrorKind::PermissionDenied => {
            "A store is private to the account that created it; run fleet as that account."
        }
        Error::Io(failed) => return failed.hint(),
        Error::Pack(failed) => return failed.hint(),
        Error::Interrupted { .. }
        | Error::Stopped
        | Error::Output { .. }
        | Error::Order { .. }
        | Error::Facts { .. }
        | Error::Unsafe { .. } => return None,
    };
    Some(words.to_owned())
}

/// How damage is mended.
const DAMAGE: &str = "Run `fleet verify --all` to see what else is damaged; restore the named file from a copy of the store, or take a new checkpoint with `--full`.";

/// How a damaged file is mended. The one that says that the folder is a store has the same line everywhere.
fn damage_hint(file: &str) -> String {
    match file == STORE_FILE {
        true => format!(
            "Put the file back with this one line, then run `fleet verify --all`: {}",
            record::store::text().trim_end()
        ),
        false => DAMAGE.to_owned(),
    }
}

/// Which hosts there are.
fn host_hint(nearest: Option<&HostName>, known: &[HostName]) -> String {
    match (nearest, known.is_empty()) {
        (Some(name), _) => did_you_mean(name),
        (None, true) => "The store is empty; take one with `fleet checkpoint HOST`.".to_owned(),
        (None, false) => format!("The store has checkpoints of {}.", list(known)),
    }
}

/// Which checkpoints of a host there are.
fn checkpoint_hint(host: &HostName, known: &[CheckpointId]) -> String {
    match known.is_empty() {
        true => format!("Take one with `fleet checkpoint {host}`."),
        false => format!(
            "There are {}; `latest` and `~N` skip partial checkpoints and subsets.",
            list(known)
        ),
    }
}

/// How a checkpoint is meant without counting one that cannot be read.
fn uncountable_hint(host: &HostName, why: &Error) -> String {
    let or = if is_too_new(why) {
        "upgrade fleet"
    } else if matches!(why, Error::Damaged { .. }) {
        "restore the damaged file from a copy of the store"
    } else {
        "make it readable"
    };
    format!("Name the checkpoint by its stamp (`fleet ls {host}` shows them), or {or}.")
}

/// What can be done with an entry that has no content, or points to one that may have.
fn content_hint(checkpoint: &CheckpointId, points_to: Option<&str>) -> String {
    match points_to {
        Some(target) => {
            format!("It points to `{target}`; print that with `fleet cat {checkpoint} PATH`.")
        }
        None => format!(
            "Only regular files have content; `fleet export {checkpoint} -o DIR/` exports everything."
        ),
    }
}

/// A checkpoint that is passed over, with the reason.
struct Named<'a>(&'a Skipped);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.0.id, self.0.why.as_str())
    }
}

/// At most ten names, oldest left out first.
pub(super) fn list(names: &[impl std::fmt::Display]) -> String {
    const SHOWN_MAX: usize = 10;
    let skipped = names.len().saturating_sub(SHOWN_MAX);
    let shown: Vec<String> = names[skipped..].iter().map(|n| format!("`{n}`")).collect();
    if skipped == 0 {
        shown.join(", ")
    } else {
        format!("{} and {skipped} older ones", shown.join(", "))
    }
}
