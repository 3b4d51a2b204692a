//! Any history of checkpoints, removals and crashes: what is listed is whole, and nothing dangles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use fleet::interrupt::Interrupt;
use fleet::manifest::{EntryKind, PartState};
use fleet::name::Stamp;
use fleet::store::{Incoming, Level, PackHealth, PartFacts, SealStep};
use proptest::prelude::*;

use super::fixture::{NOW, StoreFixture, capture, facts, host, plain_part, source, walk};

const FILES: usize = 4;

/// One run on the host. What is out of reach counts from the start again.
#[derive(Debug, Clone)]
enum Run {
    Seal {
        how: How,
        /// Dies when this is done, if that ever happens: begun, written, then the steps of sealing.
        dies: Option<usize>,
    },
    Remove {
        which: Vec<usize>,
        /// Dies at the step of that number.
        dies: Option<usize>,
    },
}

#[derive(Debug, Clone)]
enum How {
    /// A fresh pack for everything.
    Whole(u8),
    /// A fresh pack for these files, everything else is where an earlier checkpoint has it.
    Changed {
        base: usize,
        files: Vec<(usize, u8)>,
    },
    /// Nothing changed since an earlier checkpoint.
    Shared { base: usize },
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let base = 0_usize..8;
    let how = prop_oneof![
        any::<u8>().prop_map(How::Whole),
        (
            base.clone(),
            prop::collection::vec((0..FILES, any::<u8>()), 1..FILES)
        )
            .prop_map(|(base, files)| How::Changed { base, files }),
        base.clone().prop_map(|base| How::Shared { base }),
    ];
    let dies = |steps: usize| prop::option::weighted(0.3, 0..steps);
    let run = prop_oneof![
        3 => (how, dies(7)).prop_map(|(how, dies)| Run::Seal { how, dies }),
        2 => (prop::collection::vec(base, 0..4), dies(8))
            .prop_map(|(which, dies)| Run::Remove { which, dies }),
    ];
    prop::collection::vec(run, 1..12)
}

/// What ended a run at once, as a power cut does: nothing is tidied up, only the lock is free.
struct Died;

fn unless_it_dies<T>(run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Some(done),
        Err(why) if why.is::<Died>() => None,
        Err(why) => resume_unwind(why),
    }
}

type Contents = [u8; FILES];

/// The store, and what it has to hold.
struct Story {
    bed: StoreFixture,
    sealed: BTreeMap<Stamp, Contents>,
    has_removed: bool,
}

impl Story {
    fn new() -> Self {
        let bed = StoreFixture::quick();
        fs::create_dir_all(bed.tree().join("app")).expect("a folder");
        Self {
            bed,
            sealed: BTreeMap::new(),
            has_removed: false,
        }
    }

    fn stamp(&self, at: usize) -> Option<Stamp> {
        let count = self.sealed.len();
        let stamps = self.sealed.keys();
        stamps.copied().nth(at.checked_rem(count)?)
    }

    /// Whether it came to its end.
    fn run(&mut self, run: &Run) -> bool {
        match run {
            Run::Seal { how, dies } => self.seal(how, *dies),
            Run::Remove { which, dies } => self.remove(which, *dies),
        }
    }

    fn seal(&mut self, how: &How, dies: Option<usize>) -> bool {
        let mut visible = None;
        let done = unless_it_dies(|| {
            let mut step = 0;
            let mut done = |sealed: Option<SealStep>, entry: (Stamp, Contents)| {
                if sealed == Some(SealStep::CheckpointPlaced) {
                    visible = Some(entry);
                }
                if dies == Some(step) {
                    resume_unwind(Box::new(Died));
                }
                step += 1;
            };
            let incoming = self.bed.begin(NOW);
            let stamp = incoming.id().stamp;
            done(None, (stamp, [0; FILES]));
            let (contents, part) = self.capture(&incoming, how);
            done(None, (stamp, contents));
            incoming
                .seal_watched(facts(vec![part]), &mut |step| {
                    done(Some(step), (stamp, contents));
                })
                .expect("sealed");
        });
        self.sealed.extend(visible);
        done.is_some()
    }

    fn capture(
        &self,
        incoming: &Incoming,
        how: &How,
    ) -> (Contents, (PartFacts, Vec<fleet::manifest::Pack>)) {
        let base = match how {
            How::Whole(_) => None,
            How::Changed { base, .. } | How::Shared { base } => self.stamp(*base),
        };
        let Some(base) = base else {
            let mut contents = [0; FILES];
            if let How::Whole(content) = how {
                contents = [*content; FILES];
            }
            self.write(&contents);
            let part = capture(incoming, &self.bed.tree(), "app", &["app"], None);
            return (contents, part);
        };
        let earlier = self.bed.open(&format!("dev-vm@{base}"));
        let mut contents = self.sealed[&base];
        if let How::Changed { files, .. } = how {
            for (file, content) in files {
                contents[*file] = *content;
            }
            self.write(&contents);
            let names: BTreeSet<String> = files
                .iter()
                .map(|(file, _)| format!("app/{file}"))
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let part = capture(incoming, &self.bed.tree(), "app", &names, Some(&earlier));
            return (contents, part);
        }
        let entries = incoming.share_entries(&source("app"), &earlier);
        let part = PartFacts {
            part: plain_part(&source("app"), PartState::Complete),
            entries: Some(entries.expect("shared")),
        };
        (contents, (part, Vec::new()))
    }

    fn write(&self, contents: &Contents) {
        for (file, content) in contents.iter().enumerate() {
            let path = self.bed.tree().join(format!("app/{file}"));
            fs::write(path, text(file, *content)).expect("written");
        }
    }

    fn remove(&mut self, which: &[usize], dies: Option<usize>) -> bool {
        let stamps: BTreeSet<Stamp> = which.iter().filter_map(|at| self.stamp(*at)).collect();
        let mut lock = self
            .bed
            .store
            .lock(&host(), None, &Interrupt::new())
            .expect("the lock");
        let asked: Vec<Stamp> = stamps.iter().copied().collect();
        let done = unless_it_dies(move || {
            let mut step = 0;
            let removed = lock.remove_watched(&asked, &mut |_| {
                if dies == Some(step) {
                    resume_unwind(Box::new(Died));
                }
                step += 1;
            });
            removed.expect("removed")
        });
        // Each that was asked for is gone or there, all others are there.
        let listing = self.bed.store.checkpoints(&host()).expect("a listing");
        let left: BTreeSet<Stamp> = listing.checkpoints.iter().map(|c| c.id.stamp).collect();
        self.sealed
            .retain(|stamp, _| left.contains(stamp) || !stamps.contains(stamp));
        self.has_removed |= !stamps.is_empty();
        if let Some(removed) = &done {
            assert!(left.is_disjoint(&stamps));
            assert_eq!(removed.checkpoints.len(), stamps.len());
            assert_eq!(removed.undecided, []);
        }
        done.is_some()
    }

    /// Everything that is listed is what was sealed, and can be read.
    fn assert_whole(&self) {
        let listing = self.bed.store.checkpoints(&host()).expect("a listing");
        assert!(listing.damaged.is_empty(), "{listing:?}");
        let listed: Vec<Stamp> = listing.checkpoints.iter().map(|c| c.id.stamp).collect();
        let expected: Vec<Stamp> = self.sealed.keys().copied().collect();
        assert_eq!(listed, expected);
        assert_eq!(self.bed.verify(Level::Full).problems, []);
        for (stamp, contents) in &self.sealed {
            let opened = self.bed.open(&format!("dev-vm@{stamp}"));
            let mut files = 0;
            for entry in opened.entries(&source("app")).expect("entries") {
                let entry = entry.expect("an entry");
                if !matches!(entry.kind, EntryKind::File { .. }) {
                    continue;
                }
                let file: usize = std::str::from_utf8(entry.path.file_name())
                    .expect("text")
                    .parse()
                    .expect("a number");
                let mut content = Vec::new();
                opened.write_entry(&entry, &mut content).expect("content");
                assert_eq!(content, text(file, contents[file]));
                files += 1;
            }
            assert_eq!(files, FILES);
        }
    }

    /// Nothing is on the disk that no checkpoint needs, and every pack is known to be sound.
    fn assert_nothing_dangles(&self) {
        let dir = self.bed.store.dir().join("dev-vm");
        let listing = self.bed.store.checkpoints(&host()).expect("a listing");
        let packs: BTreeMap<_, _> = listing
            .checkpoints
            .iter()
            .flat_map(|c| c.packs.iter().map(|pack| (pack.name.clone(), pack.clone())))
            .collect();
        let mut expected: BTreeSet<String> = packs.keys().map(ToString::to_string).collect();
        expected.extend(packs.keys().map(|name| format!("packs/{}", name.stamp)));
        expected.extend(self.sealed.keys().map(ToString::to_string));
        expected.insert(".lock".to_owned());
        if self.has_removed {
            expected.insert(".spent".to_owned());
        }
        let found: BTreeSet<String> = walk(&dir)
            .iter()
            .map(|path| {
                path.strip_prefix(&dir)
                    .expect("beneath")
                    .display()
                    .to_string()
            })
            .filter(|name| name.starts_with("packs/") || !name.contains('/') && name != "packs")
            .collect();
        assert_eq!(found, expected);
        let packs: Vec<_> = packs.into_values().collect();
        let health = self
            .bed
            .store
            .lock(&host(), None, &Interrupt::new())
            .expect("the lock")
            .pack_health(&packs, &Interrupt::new())
            .expect("health");
        assert!(
            health.values().all(|health| *health == PackHealth::Sound),
            "{health:?}"
        );
    }
}

fn text(file: usize, content: u8) -> Vec<u8> {
    format!("{content} ").repeat(1 + 300 * file).into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_leaves_whole_checkpoints_and_nothing_else(runs in runs()) {
        let mut story = Story::new();
        for run in &runs {
            let ended = story.run(run);
            story.assert_whole();
            if ended {
                story.assert_nothing_dangles();
            }
        }
        // Whatever died last, the next run tidies up.
        story.bed.begin(NOW).abandon().expect("abandoned");
        story.assert_whole();
        story.assert_nothing_dangles();
    }
}
