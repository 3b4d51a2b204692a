//! `fleet export`

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::cat::{Output, forgive};
use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use super::signals;
use crate::blocking::blocking;
use crate::fault::{Code, ExitClass, Problem};
use crate::interrupt::Interrupt;
use crate::name::{CheckpointId, CheckpointRef, SourceName};
use crate::report::json;
use crate::report::text::export as text;
use crate::store::{ArchiveFormat, Destination, Exported, FolderOptions, Layout, Resolved, Store};

/// Export a checkpoint as an archive or a directory
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file extension selects the format: .tar, .tar.gz, .tgz, .tar.zst. A name that ends in `/`, or \
an existing empty directory, is exported as a directory. Nothing that exists is overwritten. With \
`-o -`, an archive goes to standard output.

Layouts: `paths` keeps every path as it is on the host. `snapshot` puts the files of each source into \
snapshot/SOURCE/, the captures of commands, HTTP answers and dumps into snapshot/env/, runtime/ and \
database/, and adds snapshot/sha256sums.txt (`cd snapshot && sha256sum -c sha256sums.txt`). \
`monitoring` puts each directory and file under its own name into \
monitoring_backup_YYYYMMDD_HHMMSS/, with a file_list.txt.

Examples:
  fleet export dev-vm@latest -o dev-vm.tar.gz
  fleet export dev-vm@~1 -o before/
  fleet export gw-vm@latest --layout snapshot -o gw-checkpoint-20261121T101500Z.tgz
  fleet export dev-vm@latest -o - --format tar.zst | ssh backup 'cat > dev-vm.tar.zst'")]
pub(super) struct Args {
    /// HOST@STAMP, HOST@latest, HOST@~1, or a unique prefix of the stamp
    #[arg(value_name = "CHECKPOINT")]
    checkpoint: CheckpointRef,

    /// Where to write: a file, a directory, or - for standard output
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,

    /// Archive format, in place of the one that the file extension selects
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// The layout of the export
    #[arg(long, value_enum, default_value_t, value_name = "LAYOUT")]
    layout: LayoutName,

    /// Only this source; may be given several times
    #[arg(long, value_name = "SOURCE")]
    only: Vec<SourceName>,

    /// Create device nodes in a directory; requires root
    #[arg(long)]
    devices: bool,

    /// Set owners in a directory by number, not by name; requires root
    #[arg(long)]
    numeric_owner: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum LayoutName {
    #[default]
    Paths,
    Snapshot,
    Monitoring,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::Paths => Self::Paths,
            LayoutName::Snapshot => Self::Snapshot,
            LayoutName::Monitoring => Self::Monitoring,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Tar,
    #[value(name = "tar.gz", alias = "tgz")]
    TarGz,
    #[value(name = "tar.zst")]
    TarZst,
}

impl From<Format> for ArchiveFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Tar => Self::Tar,
            Format::TarGz => Self::TarGz,
            Format::TarZst => Self::TarZst,
        }
    }
}

/// What is exported, where to, and where things lie in it.
#[derive(Debug, Clone)]
struct Wanted {
    target: Target,
    layout: Layout,
    only: Vec<SourceName>,
    folder: FolderOptions,
}

/// Where the export goes.
#[derive(Debug, Clone)]
enum Target {
    Stream(ArchiveFormat),
    Archive(PathBuf, ArchiveFormat),
    Folder(PathBuf),
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let wanted = Wanted {
        target: target(args, setup)?,
        layout: args.layout.into(),
        only: args.only.clone(),
        folder: FolderOptions {
            devices: args.devices,
            numeric_owner: args.numeric_owner,
        },
    };
    if wanted.folder != FolderOptions::default() && !matches!(wanted.target, Target::Folder(_)) {
        return Err(VerbError(Problem::new(
            Code::UsageInvalid,
            ExitClass::Usage,
            "`--devices` and `--numeric-owner` are for folders",
            Some(
                "An archive keeps device nodes, and owners by name and number. Leave the option out, or \
                 name a folder: `-o DIR/`."
                    .to_owned(),
            ),
        )));
    }
    let store = setup.store()?;
    let resolved = setup.look_up(&store, &args.checkpoint)?;
    let id = resolved.id.clone();
    let (shown, console) = (wanted.clone(), std::sync::Arc::clone(&setup.console));
    let (interrupt, of) = (Interrupt::new(), id.clone());
    let wish = interrupt.clone();
    let exported = signals::run(&interrupt, || {}, async move {
        blocking(move || write(&store, &of, &wanted, &mut Output(&console), &wish)).await
    })?;
    let exported = exported.ok_or(Error::Stopped)??;
    let class = exported.has_contradictions().then_some(ExitClass::Partial);
    tell(setup, &resolved, &shown, &exported, class)?;
    Ok(class)
}

fn target(args: &Args, setup: &Setup) -> Result<Target, VerbError> {
    let to_stdout = args.output == Path::new("-");
    match (to_stdout, args.format) {
        (true, Some(_)) if setup.console.is_json() => Err(VerbError(Problem::new(
            Code::UsageInvalid,
            ExitClass::Usage,
            "an archive and JSON can't both go to standard output",
            Some("Name a file with `-o`, or leave `--json` out.".to_owned()),
        ))),
        (true, Some(format)) => Ok(Target::Stream(format.into())),
        (true, None) => Err(VerbError(Problem::new(
            Code::UsageInvalid,
            ExitClass::Usage,
            "standard output has no name that tells the format",
            Some("Use `-o - --format tar.zst`, or `tar` or `tar.gz`.".to_owned()),
        ))),
        (false, Some(format)) => match Destination::of(&args.output) {
            Ok(Destination::Folder(path)) => Err(VerbError(Problem::new(
                Code::UsageInvalid,
                ExitClass::Usage,
                format!(
                    "{} is a folder, which has no archive format",
                    path.display()
                ),
                Some("Name a file, or leave `--format` out.".to_owned()),
            ))),
            Ok(Destination::Archive(..)) | Err(_) => {
                Ok(Target::Archive(args.output.clone(), format.into()))
            }
        },
        (false, None) => Ok(match Destination::of(&args.output)? {
            Destination::Archive(path, format) => Target::Archive(path, format),
            Destination::Folder(path) => Target::Folder(path),
        }),
    }
}

fn write(
    store: &Store,
    id: &CheckpointId,
    wanted: &Wanted,
    output: &mut Output<'_>,
    wish: &Interrupt,
) -> Result<Exported, crate::store::Error> {
    let sealed = store.open_checkpoint(id)?;
    let export = sealed.laid_out(wanted.layout, &wanted.only)?;
    let mut watch = |_: &Exported| {
        if wish.is_raised() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    match &wanted.target {
        Target::Stream(format) => forgive(export.to_stream(output, *format, &mut watch)),
        Target::Archive(path, format) => export.to_archive(path, *format, &mut watch),
        Target::Folder(path) => export.to_folder(path, wanted.folder, &mut watch),
    }
}

fn tell(
    setup: &Setup,
    resolved: &Resolved,
    wanted: &Wanted,
    exported: &Exported,
    class: Option<ExitClass>,
) -> Result<(), VerbError> {
    let (path, format) = match &wanted.target {
        Target::Stream(format) => ("-".to_owned(), name(*format)),
        Target::Archive(path, format) => (path.display().to_string(), name(*format)),
        Target::Folder(path) => (path.display().to_string(), "folder"),
    };
    let id = &resolved.id;
    if setup.console.is_json() {
        setup.console.event(&json::Export {
            exit: class.map_or(0, ExitClass::status),
            checkpoint: id.to_string(),
            path,
            format: format.to_owned(),
            layout: wanted.layout.as_str().to_owned(),
            entries: exported.entries,
            bytes: exported.bytes,
            skipped: exported.skipped,
            left_out: exported.shortfalls.iter().map(Into::into).collect(),
            skipped_newer: json::SkippedNewer::of(resolved).into_iter().collect(),
            ..json::Export::default()
        })?;
        return Ok(());
    }
    for lacking in &exported.shortfalls {
        setup.console.warning(&text::shortfall(lacking));
    }
    if matches!(wanted.target, Target::Archive(..) | Target::Folder(_)) {
        setup.console.remark(&text::written(id, exported, &path));
    }
    Ok(())
}

fn name(format: ArchiveFormat) -> &'static str {
    match format {
        ArchiveFormat::Tar => "tar",
        ArchiveFormat::TarGz => "tar.gz",
        ArchiveFormat::TarZst => "tar.zst",
    }
}
