//! Merges packs: copies members of older packs into the one that is being written, so that packs stay
//! few. Nothing is fetched for it.

use crate::fault::{Code, Problem, chain};
use crate::manifest::PackName;
use crate::pack::{self, PackReader, Wanted};
use crate::store::seal::tiers::{self, NeededPack};

use crate::intake::kept::{Kept, KeptEntry, Place};
use crate::intake::receive::{self, Intake, Received};

/// A pack that turned out not to be what was sealed while it was being copied.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Its name.
    pub(crate) pack: PackName,
    error: pack::Error,
}

impl Broken {
    /// What the part says of it.
    pub(crate) fn failure(&self) -> Problem {
        Problem::in_part(
            Code::StoreDamaged,
            format!(
                "{} is not what was sealed: {}",
                self.pack,
                chain(&self.error).join(": ")
            ),
            Some("Run the command again: what it held is fetched again then.".to_owned()),
        )
    }

    /// What went wrong in the pack, if it did go wrong there and not in the new one.
    fn of(
        pack: &PackName,
        source: &PackReader,
        error: receive::Error,
    ) -> Result<Self, receive::Error> {
        match error {
            receive::Error::Pack(error) if error.path() == source.path() => Ok(Self {
                pack: pack.clone(),
                error,
            }),
            other => Err(other),
        }
    }
}

/// Which of the packs of `kept` are to be copied into the new one, which holds `fresh_bytes` by itself.
/// Blocking. A pack whose index can't be read is left alone here.
pub(crate) fn taken(kept: &Kept, fresh_bytes: Option<u64>, packs_max: usize) -> Vec<usize> {
    let mut members: Vec<Vec<(u64, u64)>> = vec![Vec::new(); kept.packs.len()];
    for (entry, place) in placed(kept) {
        let content_bytes = entry.sha256.map_or(0, |_| entry.size_bytes);
        members[place.pack].push((place.offset_bytes, content_bytes));
    }
    // By the age of the packs, which their names tell.
    let mut order: Vec<usize> = (0..kept.packs.len()).collect();
    order.sort_by(|a, b| kept.packs[*a].cmp(&kept.packs[*b]));
    let needed: Vec<NeededPack> = order
        .iter()
        .map(|&pack| {
            let total_bytes = open(kept, pack).map_or(0, |pack| pack.content_bytes());
            members[pack].sort_unstable();
            NeededPack {
                live_bytes: tiers::live_bytes(total_bytes, &members[pack]),
                total_bytes,
            }
        })
        .collect();
    let taken = tiers::taken(&needed, fresh_bytes, packs_max);
    taken.into_iter().map(|place| order[place]).collect()
}

/// What was copied into the new pack.
#[derive(Debug, Default)]
pub(crate) struct TakenIn {
    /// Which of the kept entries, and the number of its member in the new pack.
    moved: Vec<(usize, usize)>,
    /// A pack that is not what was sealed: nothing that is in it may be referred to, and no others
    /// were copied after it.
    pub(crate) broken: Option<Broken>,
}

impl TakenIn {
    /// Tells the entries of `kept`, which are still those that were copied from, where they are in the
    /// pack that holds `received`.
    pub(crate) fn place(&self, kept: &mut Kept, received: &Received) {
        if let Some(pack) = &received.pack {
            for &(index, number) in &self.moved {
                kept.entries[index].moved_to = Some(pack.offsets[number]);
            }
        }
    }
}

/// Copies all that `kept` needs of the `taken` packs into the new one. Blocking.
///
/// # Errors
///
/// [`receive::Error`] if the new pack can't be written.
pub(crate) fn take_in(
    intake: &mut Intake,
    kept: &Kept,
    taken: &[usize],
) -> Result<TakenIn, receive::Error> {
    let mut taken_in = TakenIn::default();
    for &pack in taken {
        let mut members: Vec<(u64, usize)> = kept
            .entries
            .iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let place = entry.place.filter(|place| place.pack == pack)?;
                Some((place.offset_bytes, index))
            })
            .collect();
        members.sort_unstable();
        let wanted: Vec<Wanted<'_>> = members
            .iter()
            .map(|&(offset_bytes, index)| Wanted {
                offset_bytes,
                path: &kept.entries[index].path,
                sha256: kept.entries[index].sha256,
            })
            .collect();
        let name = &kept.packs[pack];
        let mut source = match open(kept, pack) {
            Ok(source) => source,
            Err(error) => {
                taken_in.broken = Some(Broken {
                    pack: name.clone(),
                    error,
                });
                break;
            }
        };
        match intake.copy_from(&mut source, &wanted) {
            Ok(numbers) => {
                let indices = members.iter().map(|&(_, index)| index);
                taken_in.moved.extend(indices.zip(numbers));
            }
            Err(error) => {
                taken_in.broken = Some(Broken::of(name, &source, error)?);
                break;
            }
        }
    }
    Ok(taken_in)
}

fn placed(kept: &Kept) -> impl Iterator<Item = (&KeptEntry, Place)> {
    let entries = kept.entries.iter();
    entries.filter_map(|entry| Some((entry, entry.place?)))
}

fn open(kept: &Kept, pack: usize) -> Result<PackReader, pack::Error> {
    PackReader::open(kept.base.host_dir().join(kept.packs[pack].to_string()))
}
