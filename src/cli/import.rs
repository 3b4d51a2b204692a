//! `fleet import`

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use super::signals;
use crate::blocking::blocking;
use crate::engine::host;
use crate::engine::import::{self, ImportOptions, Mapping, Mode, Outcome, PathMapping, Request};
use crate::event::Event;
use crate::fault::{Code, ExitClass, Problem};
use crate::interrupt::Interrupt;
use crate::name::{HostName, RemotePath, SourceName, Stamp};
use crate::report::text::import as text;
use crate::report::{Console, Reporter, Style, Verbosity, json};
use crate::store::{self, Store};

/// Import a backup of another tool as a checkpoint
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A backup is a directory, or a .tar, .tar.gz, .tgz or .tar.zst. It becomes a checkpoint of HOST with \
the time at which it was taken: from --taken, else from its name, its own record, or its newest file. \
No host is contacted. A backup that was already imported is skipped. If it has a checksum list \
(sha256sums.txt), its files are verified.

Files below a directory of the inventory become part of that source, so that `fleet diff` and \
`fleet log` compare them; all others go into the source `import`.

Examples:
  fleet import dev-vm checkpoints/checkpoint-* --at /home/azureuser/app --map asterisk=/etc/asterisk
  fleet import gw-1 gw-checkpoint-20250818T175013Z.tgz --strip 1 --map config=/opt/gateway/config
  fleet import dev-vm old.tar.gz --taken 2025-10-28T17:32:04Z -m \"before the move\" --dry-run")]
pub(super) struct Args {
    /// The host that was backed up, as the inventory calls it
    #[arg(value_name = "HOST")]
    host: HostName,

    /// Backups: directories or archives; each becomes a checkpoint
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// The directory on the host that was backed up [default: /]
    #[arg(long, value_name = "FOLDER")]
    at: Option<RemotePath>,

    /// Path on the host of a directory or file of the backup; may be given several times
    #[arg(long, value_name = "FROM=/TO")]
    map: Vec<Mapping>,

    /// Remove N leading directories from the paths in the backup [default: a top directory named after a time]
    #[arg(long, value_name = "N")]
    strip: Option<usize>,

    /// When it was taken, such as 2025-10-28T17:32:04Z; UTC if no time zone is given
    #[arg(long, value_name = "TIME", value_parser = time)]
    taken: Option<Timestamp>,

    /// Description of the checkpoint [default: from its own record]
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Import everything into this source [default: by the inventory's directories]
    #[arg(long, value_name = "NAME")]
    source: Option<SourceName>,

    /// Print what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// A moment that a person typed.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || "write it as 2025-10-28T17:32:04Z, or 2025-10-28 17:32".to_owned();
    if let Ok(stamp) = text.parse::<Stamp>() {
        return Ok(stamp.time());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let civil: DateTime = text.parse().map_err(|_| wrong())?;
    let zoned = civil.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(zoned.timestamp())
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    if args.taken.is_some() && args.paths.len() > 1 {
        return Err(VerbError(Problem::new(
            Code::UsageInvalid,
            ExitClass::Usage,
            "`--taken` applies to one backup, and there are several",
            Some("Import them one by one, or leave `--taken` out: fleet reads the time from their names.".to_owned()),
        )));
    }
    let inventory = setup.inventory()?;
    let host = host(&inventory, &args.host)?.clone();
    let dir = setup.store_dir(&inventory)?;
    let store = match setup.open_store(&dir) {
        Err(store::Error::NoStore { .. }) if args.dry_run => None,
        opened if args.dry_run => Some(opened?),
        _ => Some(Store::open_or_create(&dir)?),
    };
    let request = Request {
        orders: args.orders(),
        wait: setup.global.wait,
        now: Timestamp::now(),
    };
    let console = &setup.console;
    let style = match Style::of(console) {
        Style::Moving => Style::Moving,
        Style::Silent | Style::Warnings | Style::Looking | Style::Plain | Style::Json => {
            Style::Silent
        }
    };
    let reporter = Reporter::new(Arc::clone(console), style, 1);
    let interrupt = Interrupt::new();
    let notice = {
        let reporter = Arc::clone(&reporter);
        move || reporter.tell(&Event::Stopping)
    };
    let (sink, wish, is_dry) = (reporter.sink(), interrupt.clone(), args.dry_run);
    let ended = signals::run(&interrupt, notice, async move {
        blocking(move || {
            let mode = match &store {
                Some(store) if !is_dry => Mode::Write(store),
                store => Mode::Dry(store.as_ref()),
            };
            import::run(&request, &host, mode, &sink, &wish)
        })
        .await
    });
    reporter.finish();
    let outcome = ended?.ok_or(Error::Stopped)?;
    tell(console, &outcome)
}

impl Args {
    fn orders(&self) -> Vec<ImportOptions> {
        let landing = PathMapping {
            at: self.at.clone(),
            strip: self.strip,
            maps: self.map.clone(),
            part: self.source.clone(),
        };
        let order = |path: &PathBuf| ImportOptions {
            path: path.clone(),
            landing: landing.clone(),
            taken: self.taken,
            description: self.message.clone(),
        };
        self.paths.iter().map(order).collect()
    }
}

/// Prints what came of it and gives the exit status.
fn tell(console: &Console, outcome: &Outcome) -> Status {
    let class = outcome.exit_class();
    let stopped = outcome.is_interrupted.then(|| text::stopped(outcome));
    for imported in &outcome.imported {
        for warning in text::warnings(imported) {
            console.warning(&warning);
        }
    }
    for failed in &outcome.failed {
        console.problem(&failed.failure.problem);
    }
    if let Some(problem) = &stopped {
        console.problem(problem);
    }
    if console.is_json() {
        console.event(&json::Import {
            exit: class.map_or(0, ExitClass::status),
            imported: outcome.imported.iter().map(json::Imported::from).collect(),
            failed: outcome.failed.iter().map(json::NotImported::from).collect(),
            error: stopped.as_ref().map(json::Problem::from),
            ..json::Import::default()
        })?;
    } else if console.talk() != Verbosity::Quiet {
        let lines: String = outcome.imported.iter().map(text::imported).collect();
        console.answer(&lines)?;
    }
    Ok(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them() {
        for text in [
            "2025-10-28T17:32:04Z",
            "2025-10-28T19:32:04+02:00",
            "2025-10-28 17:32:04",
            "20251028T173204Z",
        ] {
            let time = time(text).map(|time| time.to_string());
            assert_eq!(time, Ok("2025-10-28T17:32:04Z".to_owned()), "{text}");
        }
        assert_eq!(
            time("2025-10-28 17:32").map(|time| time.to_string()),
            Ok("2025-10-28T17:32:00Z".to_owned())
        );
        assert_eq!(
            time("yesterday"),
            Err("write it as 2025-10-28T17:32:04Z, or 2025-10-28 17:32".to_owned())
        );
    }
}
