//! Fetches the current contents of a few files from the host into a temporary folder.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};

use tempfile::TempDir;

use crate::blocking::blocking;
use crate::fault::Problem;
use crate::guard::{Compression, ReadCommand, TarFlavour};
use crate::manifest::Extended;
use crate::name::RemotePath;
use crate::pack::{self, PackOptions, PackReader};
use crate::source::scan::Found;
use crate::ssh::{self, ReadSession};
use crate::tarstream::{Kind, Member};

use crate::intake::fetch_list;
use crate::intake::kept::Difference;
use crate::intake::receive::{self, Intake, Received, Unasked};
use crate::scan::directory::is_lost;

/// What may come beside the content of each file: headers, names, attributes, the rest of a block.
const BESIDE_MAX_BYTES: u64 = 16 << 10;

/// Fetched files.
#[derive(Debug)]
pub(super) struct Contents {
    // Removed when the contents are dropped.
    _folder: TempDir,
    pack: PackReader,
    /// Where each file is in the pack, and under which name.
    places: BTreeMap<RemotePath, (u64, RemotePath)>,
}

/// What came of a fetch.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What arrived whole; none if nothing did.
    pub(super) contents: Option<Contents>,
    /// The extended metadata of everything that arrived whole.
    pub(super) extended: HashMap<RemotePath, Extended>,
    /// Why not everything arrived.
    pub(super) failure: Option<Problem>,
    /// The end of the connection.
    pub(super) lost: Option<ssh::Error>,
}

/// Fetches the files at `wanted`, sorted by path. What is gone by now is not there. No more content
/// than `max_bytes` is read: files may grow after the scan, and a host may send what it likes.
///
/// # Errors
///
/// [`receive::Error::Pack`] if they can't be written down.
pub(super) async fn fetch(
    session: &ReadSession,
    sudo: bool,
    tar: TarFlavour,
    wanted: Vec<RemotePath>,
    max_bytes: u64,
) -> Result<Fetched, receive::Error> {
    let mut fetched = Fetched {
        contents: None,
        extended: HashMap::new(),
        failure: None,
        lost: None,
    };
    let named = wanted.into_iter().map(|path| Found { path, facts: None });
    let difference = Difference::everything(named.collect());
    // Whether a file reports its blocks is not known here, and holes are as good as zeros.
    let tar = match tar {
        TarFlavour::Gnu | TarFlavour::GnuDense => TarFlavour::GnuDense,
        TarFlavour::Bsd => TarFlavour::Bsd,
    };
    let command = ReadCommand::Fetch {
        tar,
        compression: Compression::None,
    };
    let running = match session
        .run(&command, sudo, fetch_list(&difference.fetch, false))
        .await
    {
        Ok(running) => running,
        Err(error) => {
            fetched.end(error);
            return Ok(fetched);
        }
    };
    let (body, ending) = running.split();
    let beside = BESIDE_MAX_BYTES.saturating_mul(difference.fetch.len() as u64);
    let mut stream = Bounded::new(body, max_bytes.saturating_add(beside));
    let receiving = blocking(move || {
        let folder = folder()?;
        let mut intake = Intake::create(folder.path().join("contents"), PackOptions::default())?;
        let read = intake.read(&mut stream, &difference.fetch, Unasked::Refuse, |_, _| {});
        Ok::<_, receive::Error>((folder, intake.end(read), stream.is_exceeded))
    });
    let (received, ended) = tokio::join!(receiving, ending.finish());
    let (folder, received, is_exceeded) = received?;
    match received {
        Ok(received) => {
            fetched.failure = received.cut.as_ref().map(|cut| Problem::of_part(cut));
            fetched.extended = extended(&received.members);
            fetched.contents = Contents::of(folder, &received)?;
        }
        Err(error) if error.is_local() => return Err(error),
        Err(error) => {
            fetched.failure = Some(Problem::of_part(&error));
            // Nobody read on, and that was what ended it.
            return Ok(fetched);
        }
    }
    // A status says that files are gone by now or can't be read: those are not there.
    if let Err(error) = ended
        && !is_exceeded
    {
        fetched.end(error);
    }
    Ok(fetched)
}

/// The extended metadata of each member. Of a file with several names, tar sends it with the first one.
fn extended(members: &[(Member, u64)]) -> HashMap<RemotePath, Extended> {
    let mut found: HashMap<RemotePath, Extended> = HashMap::with_capacity(members.len());
    for (member, _) in members {
        let extended = match &member.head.kind {
            Kind::HardLink { target } => found.get(target).cloned(),
            Kind::File { .. }
            | Kind::Directory
            | Kind::Symlink { .. }
            | Kind::Fifo
            | Kind::CharDevice { .. }
            | Kind::BlockDevice { .. } => Some(member.extended.clone()),
        };
        found.extend(extended.map(|extended| (member.head.path.clone(), extended)));
    }
    found
}

fn folder() -> Result<TempDir, pack::Error> {
    let mut builder = tempfile::Builder::new();
    let made = builder.prefix("fleet-diff-").tempdir();
    made.map_err(|source| pack::Error::Create {
        path: std::env::temp_dir(),
        source,
    })
}

/// A stream of which no more is read than so much.
#[derive(Debug)]
struct Bounded<R> {
    stream: R,
    left_bytes: u64,
    /// There was more, and nobody will read it.
    is_exceeded: bool,
}

impl<R> Bounded<R> {
    fn new(stream: R, max_bytes: u64) -> Self {
        Self {
            stream,
            left_bytes: max_bytes,
            is_exceeded: false,
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        match self.left_bytes.checked_sub(length as u64) {
            Some(left) => {
                self.left_bytes = left;
                Ok(length)
            }
            None => {
                self.is_exceeded = true;
                Err(io::Error::other("more came than was asked for"))
            }
        }
    }
}

impl Fetched {
    fn end(&mut self, error: ssh::Error) {
        self.failure = Some(Problem::of_part(&error));
        self.lost = Some(error).filter(is_lost);
    }
}

impl Contents {
    fn of(folder: TempDir, received: &Received) -> Result<Option<Self>, pack::Error> {
        if received.pack.is_none() {
            return Ok(None);
        }
        let mut places: BTreeMap<RemotePath, (u64, RemotePath)> = BTreeMap::new();
        for (member, offset_bytes) in &received.members {
            let path = &member.head.path;
            let place = match &member.head.kind {
                Kind::File { .. } => Some((*offset_bytes, path.clone())),
                Kind::HardLink { target } => places.get(target).cloned(),
                // It is no file any more.
                Kind::Directory
                | Kind::Symlink { .. }
                | Kind::Fifo
                | Kind::CharDevice { .. }
                | Kind::BlockDevice { .. } => None,
            };
            places.extend(place.map(|place| (path.clone(), place)));
        }
        Ok(Some(Self {
            pack: PackReader::open(folder.path().join("contents"))?,
            _folder: folder,
            places,
        }))
    }

    /// The content of the file at `path`; none if it did not arrive or has more than `max_bytes`.
    pub(super) fn read(
        &mut self,
        path: &RemotePath,
        max_bytes: u64,
    ) -> Result<Option<Vec<u8>>, pack::Error> {
        let Some((offset_bytes, name)) = self.places.get(path) else {
            return Ok(None);
        };
        let file = self.pack.path().to_owned();
        let member = self.pack.member(*offset_bytes, name)?;
        let mut content = Vec::new();
        member
            .take(max_bytes + 1)
            .read_to_end(&mut content)
            .map_err(|source| pack::Error::Read { path: file, source })?;
        Ok(Some(content).filter(|content| content.len() as u64 <= max_bytes))
    }
}
