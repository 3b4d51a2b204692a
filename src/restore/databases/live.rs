//! Dumps a live database to compare it with one of a checkpoint. Nothing of the dump is kept.

use super::Error;
use super::access::ServerAccess;
use super::captured::CapturedDatabase;
use super::settings::Settings;
use crate::digest::{Hasher, Sha256};
use crate::guard::{DumpOf, PostgresDump, ReadCommand};
use crate::inventory::{Dump, DumpFormat};
use crate::source::postgres::{self, ArchiveReader, Content, Normaliser};
use crate::ssh::ReadSession;

/// Whether the live database `called` dumps to what the checkpoint has of `captured`, and has its settings
/// where those were captured.
pub(super) async fn is_same(
    session: &ReadSession,
    access: &ServerAccess,
    captured: &CapturedDatabase,
    called: &str,
) -> Result<bool, Error> {
    let dump = if captured.facts.has_rows {
        Dump::Full
    } else {
        Dump::Schema
    };
    let of = DumpOf::Database {
        name: called.to_owned(),
        dump,
        format: captured.format,
    };
    let mut archive = captured.archive.map(|_| ArchiveReader::default());
    let content = match captured.format {
        DumpFormat::Plain => Content::Database,
        DumpFormat::Custom => Content::Archive,
    };
    let (sha256, _) = dumped(session, access, of, content, archive.as_mut()).await?;
    let is_equal = match archive {
        Some(archive) => {
            let contents = archive
                .finish()
                .map_err(|source| not_usable(called, source))?;
            Some(contents.digest) == captured.archive
        }
        None => sha256 == captured.sha256,
    };
    // What an archive has of them is written in another form.
    let comparable = captured
        .settings
        .as_ref()
        .filter(|_| captured.has_settings_file);
    let Some(wanted) = comparable.filter(|_| is_equal) else {
        return Ok(is_equal);
    };
    let text = settings(session, access, called).await?;
    let found = Settings::of_text(called, &text);
    Ok(found.is_some_and(|found| found.make_the_same_as(wanted)))
}

/// The settings of a live database, as a dump of them has them.
pub(super) async fn settings(
    session: &ReadSession,
    access: &ServerAccess,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let of = DumpOf::Settings {
        name: name.to_owned(),
    };
    let (_, text) = dumped(session, access, of, Content::Settings, None).await?;
    Ok(text)
}

/// The digest of a dump, and for settings its text.
async fn dumped(
    session: &ReadSession,
    access: &ServerAccess,
    of: DumpOf,
    content: Content,
    mut archive: Option<&mut ArchiveReader>,
) -> Result<(Sha256, Vec<u8>), Error> {
    let name = match &of {
        DumpOf::Database { name, .. } | DumpOf::Settings { name } => name.clone(),
        DumpOf::Globals => String::new(),
    };
    let keeps = content == Content::Settings;
    let server = access.server.clone();
    let command = ReadCommand::Dump(PostgresDump {
        of,
        run_as: server.run_as,
        host: server.host,
        port: server.port,
        user: server.user,
        password_follows: server.password_follows,
    });
    let mut running = session.run(&command, access.sudo, access.input()).await?;
    let mut normaliser = Normaliser::new(content);
    let (mut hasher, mut text, mut piece) = (Hasher::new(), Vec::new(), Vec::new());
    let mut take = |piece: &mut Vec<u8>| {
        hasher.update(piece);
        if keeps {
            text.extend_from_slice(piece);
        }
        piece.clear();
    };
    while let Some(bytes) = running.next().await {
        let bytes = bytes?;
        normaliser
            .feed(&bytes, &mut piece)
            .map_err(|source| not_usable(&name, source))?;
        if let Some(archive) = &mut archive {
            archive
                .feed(&bytes)
                .map_err(|source| not_usable(&name, source))?;
        }
        take(&mut piece);
    }
    access.answer(running, 0).await?;
    normaliser
        .finish(&mut piece)
        .map_err(|source| not_usable(&name, source))?;
    take(&mut piece);
    Ok((hasher.finish(), text))
}

fn not_usable(name: &str, source: postgres::Error) -> Error {
    let name = name.to_owned();
    Error::Dump { name, source }
}
