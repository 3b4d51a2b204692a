//! `fleet init`

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::{Error, Status, VerbError};
use super::setup::Setup;
use crate::inventory::{self, ReadyMade, STARTER};
use crate::report::json;

const INVENTORY_FILE: &str = "inventory/fleet.yaml";
const SCHEMA_NAME: &str = "fleet.schema.json";

/// Write a first inventory, with a schema for editors
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Writes inventory/fleet.yaml (or the file given with -i) and fleet.schema.json beside it. An existing \
inventory is never changed. With --profile it is one of the worked examples: `translation` (a Node \
application, Asterisk, Homer), `monitoring` (stations, their settings and database schema), `gateway` \
(an API gateway under systemd), `warroom` (workflows and a whole database).

Examples:
  fleet init
  fleet init --profile gateway
  fleet init -i ~/.config/fleet/fleet.yaml")]
pub(super) struct Args {
    /// Start from a ready-made profile
    #[arg(long, value_enum, value_name = "NAME")]
    profile: Option<Profile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Profile {
    Translation,
    Monitoring,
    Gateway,
    Warroom,
}

impl From<Profile> for ReadyMade {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Translation => Self::Translation,
            Profile::Monitoring => Self::Monitoring,
            Profile::Gateway => Self::Gateway,
            Profile::Warroom => Self::Warroom,
        }
    }
}

pub(super) fn run(args: &Args, setup: &Setup) -> Status {
    let file = match &setup.global.inventory {
        Some(file) => file.clone(),
        None => PathBuf::from(INVENTORY_FILE),
    };
    let schema = file.with_file_name(SCHEMA_NAME);
    let text = args
        .profile
        .map_or(STARTER, |profile| ReadyMade::from(profile).text());
    write_new(&file, text)?;
    let text =
        serde_json::to_string_pretty(&inventory::schema()).map_err(|error| Error::Write {
            file: schema.clone(),
            source: error.into(),
        })?;
    fs::write(&schema, text + "\n").map_err(|source| Error::Write {
        file: schema.clone(),
        source,
    })?;
    if setup.console.is_json() {
        setup.console.event(&json::Init {
            inventory: file.display().to_string(),
            schema: schema.display().to_string(),
            ..json::Init::default()
        })?;
        return Ok(None);
    }
    setup.console.remark(&next_steps(&file, &schema));
    Ok(None)
}

fn next_steps(file: &Path, schema: &Path) -> String {
    let named = if file == Path::new(INVENTORY_FILE) {
        String::new()
    } else {
        format!(" -i {}", file.display())
    };
    format!(
        "wrote {} and {}\n\n\
         Next:\n\
         \x20 1. Put your hosts into {}.\n\
         \x20 2. fleet{named} hosts              the hosts, which are protected, and why\n\
         \x20 3. fleet{named} trust HOST         keep a host's key, if ssh does not know it yet\n\
         \x20 4. fleet{named} doctor HOST        what each source would read\n\
         \x20 5. fleet{named} checkpoint HOST",
        file.display(),
        schema.display(),
        file.display()
    )
}

/// Writes `text` to a file that is not there yet, and makes its folder.
fn write_new(file: &Path, text: &str) -> Result<(), VerbError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::AlreadyThere {
            file: file.to_owned(),
        },
        _ => Error::Write {
            file: file.to_owned(),
            source,
        },
    };
    if fs::symlink_metadata(file).is_ok() {
        return Err(failed(std::io::ErrorKind::AlreadyExists.into()).into());
    }
    if let Some(folder) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|source| Error::Write {
            file: folder.to_owned(),
            source,
        })?;
    }
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(file)
        .map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    Ok(())
}
