//! Makes the plan of a restore: reads both sides, asks the host what is where, and divides what differs among
//! the roots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::compare::{self, Action, Differences, Found, Item, Terms};
use super::ground::Ground;
use super::merged::PartEntry;
use super::missing::Missing;
use super::notices::{lack_of_rights, refusals, warnings};
use super::owners::{Owners, listed};
use super::roots::{self, RootPlan, Roots};
use super::sides::{LiveEntries, Sides};
use super::{Before, Plan, Target, by_part, candidates, room};
use crate::blocking::blocking;
use crate::guard::BootstrapChange;
use crate::inventory::Bootstrap;
use crate::manifest::FileTime;
use crate::name::{RemotePath, SourceName};
use crate::restore::Error;
use crate::restore::accounts::{Accounts, OwnerNames};
use crate::restore::databases::DatabasePlan;
use crate::restore::lines;
use crate::restore::prove::Sight;
use crate::restore::services::ServiceRecord;
use crate::restore::sources::RestoredPart;
use crate::restore::tools::{Losses, Offer, simplify};
use crate::scan::result::unfinished;
use crate::source::exclude::Exclude;
use crate::source::probe::Probe;
use crate::ssh::ReadSession;
use crate::store::SealedCheckpoint;
use crate::units::listing;

/// What a plan is made of.
pub struct Basis {
    /// What is restored.
    pub checkpoint: Arc<SealedCheckpoint>,
    /// Its parts that hold files, as far as they are meant.
    pub parts: Vec<RestoredPart>,
    /// The target as it is now.
    pub live: LiveEntries,
    /// Who owns its files.
    pub owners: Owners,
    /// The machine.
    pub target: Target,
    /// What the machine can do, sudo included.
    pub probe: Probe,
    /// Which paths are meant.
    pub terms: Terms,
    /// What the inventory wants on a fresh host.
    pub bootstrap: Bootstrap,
    /// What happens to databases.
    pub databases: Vec<DatabasePlan>,
}

impl std::fmt::Debug for Basis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Basis")
            .field("checkpoint", self.checkpoint.id())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

/// Makes the plan. Nothing is written anywhere.
///
/// # Errors
///
/// [`Error::Store`] if the checkpoint or what was captured of the target can't be read, [`Error::Ssh`] and
/// [`Error::Ground`] if the host can't be asked, [`Error::NothingMeant`] if nothing is named.
pub async fn make(basis: &Basis, session: &ReadSession) -> Result<Plan, Error> {
    let offer = Offer::of(session).await?;
    let sides = Sides {
        checkpoint: Arc::clone(&basis.checkpoint),
        live: Arc::clone(&basis.live),
        parts: Arc::new(listed(&basis.parts)),
        tools: offer.tools(),
    };

    let Compared {
        mut differences,
        accounts,
        owners,
        terms,
    } = compare_sides(basis, &sides, session).await?;
    let mut plan = Plan {
        checkpoint: basis.checkpoint.id().clone(),
        checkpoint_sha256: basis.checkpoint.record_sha256(),
        target: basis.target.clone(),
        parts: Vec::new(),
        roots: BTreeMap::new(),
        databases: basis.databases.clone(),
        tools: offer.tools(),
        services: ServiceRecord::default(),
        before: Vec::new(),
        missing: Missing::of(&basis.bootstrap, &accounts.missing(&owners), session).await?,
        bootstrap: BootstrapChange::default(),
        space: Vec::new(),
        sudo: false,
        warnings: warnings(basis, &differences, &accounts.missing(&owners)),
        refusals: refusals(basis, &differences),
    };

    let names: Vec<SourceName> = basis
        .parts
        .iter()
        .map(|part| part.part.name.clone())
        .collect();
    if let Some(refusal) = offer.refusal()
        && !differences.items.is_empty()
    {
        // What its tools cannot even look at gives no reasons of its own.
        plan.refusals = vec![refusal];
        plan.parts = by_part(&names, &differences);
        return Ok(plan);
    }

    let needs_root = needs_root(basis, &differences, &accounts);
    let settled = settle_roots(basis, &mut differences, &accounts, needs_root, session).await?;
    let Settled {
        roots,
        sudo,
        refusals,
    } = settled;
    plan.sudo = sudo;
    plan.refusals.extend(refusals);

    // A second look for what the first one had no reason to keep.
    let is_meant = |path: &RemotePath| terms.is_restored(path);
    let found = look_again(&sides, &mut differences, &roots, accounts, &is_meant).await?;
    plan.roots = divided(&differences, &found, &roots, &is_meant);
    let separated = differences.separated();
    if !separated.is_empty() {
        plan.warnings.push(format!(
            "names elsewhere on the host are of the same file and keep its present content: {}",
            listing(separated.len(), &separated)
        ));
    }
    plan.before = before(&differences);
    plan.parts = by_part(&names, &differences);
    if let Offer::Slow(why) = &offer
        && !plan.roots.is_empty()
    {
        let (reading, put) = (sides.clone(), plan.put());
        let losses = blocking(move || Losses::of(reading.whole()?, |path| put.contains(path)));
        plan.warnings.extend(losses.await?.warnings(why));
        note_marks(&mut plan, &differences, &basis.parts, session).await?;
    }
    if lack_of_rights(sudo, &basis.probe).is_none() {
        let machine = (&basis.probe.mounts, basis.probe.is_root);
        room::look(&mut plan, &basis.checkpoint, machine, session).await?;
    }
    Ok(plan)
}

/// What is done in each root, with the number of its file system.
fn divided(
    differences: &Differences,
    found: &Found,
    roots: &Roots,
    is_meant: &dyn Fn(&RemotePath) -> bool,
) -> BTreeMap<RemotePath, (u64, Arc<RootPlan>)> {
    let devices: BTreeMap<&RemotePath, u64> = roots.iter().collect();
    let divided = roots::divide(differences, found, roots, is_meant);
    let divided = divided.into_iter().map(|(root, plan)| {
        let device = devices.get(&root).copied().unwrap_or(0);
        (root, (device, Arc::new(plan)))
    });
    divided.collect()
}

/// What the target has at each path that changes, as far as its capture tells.
fn before(differences: &Differences) -> Vec<(RemotePath, Before)> {
    let of = |item: &Item| {
        let live = item.live.as_ref();
        let before = match live.map(|live| live.entry.scan) {
            None => Before::Absent,
            Some(Some(mark)) => Before::Mark(mark),
            Some(None) => Before::Unknown,
        };
        (item.path().clone(), before)
    };
    differences.items.iter().map(of).collect()
}

/// Where a capture has no marks, they are taken from another look, if that finds what was captured.
///
/// # Errors
///
/// [`Error::Changed`] names what it does not find so.
async fn note_marks(
    plan: &mut Plan,
    differences: &Differences,
    parts: &[RestoredPart],
    session: &ReadSession,
) -> Result<(), Error> {
    let sight = Sight::of(plan, parts, session).await?;
    let mut changed = Vec::new();
    for (item, (path, before)) in differences.items.iter().zip(&mut plan.before) {
        if let (Some(live), Before::Unknown) = (&item.live, *before) {
            match sight.mark_of(path, &live.entry) {
                Some(mark) => *before = Before::Mark(mark),
                None => changed.push(path.clone()),
            }
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::Changed { paths: changed })
}

/// Both sides, compared.
struct Compared {
    differences: Differences,
    accounts: Accounts,
    owners: OwnerNames,
    terms: Terms,
}

/// Finds out what differs, with owners by the host's own names.
async fn compare_sides(
    basis: &Basis,
    sides: &Sides,
    session: &ReadSession,
) -> Result<Compared, Error> {
    let Owners {
        names: owners,
        accounts,
    } = basis.owners.clone();
    let mut terms = basis.terms.clone();
    // Without them nobody could log in to undo anything.
    terms.never.extend(accounts.authorized_keys());
    let lacking = basis.parts.iter().filter(|part| part.lacks.is_some());
    terms
        .keeps
        .extend(lacking.map(|part| part.part.name.clone()));

    let (reading, meant, known) = (sides.clone(), terms.clone(), accounts.clone());
    let mut differences =
        blocking(move || compare::compare(reading.wanted()?, reading.live()?, &meant, &known))
            .await?;
    for part in basis.parts.iter().filter(|part| part.has_lines()) {
        let (live, name) = (Arc::clone(&basis.live), part.part.name.clone());
        let live = blocking(move || live(&name)).await?;
        let terms = (&terms, &accounts);
        let checkpoint = &basis.checkpoint;
        lines::compare(checkpoint, part, live, terms, session, &mut differences).await?;
    }
    for item in &mut differences.items {
        if let Some(wanted) = &mut item.wanted {
            simplify(&mut Arc::make_mut(wanted).entry, sides.tools);
        }
    }
    if differences.meant == 0 && !terms.paths.is_empty() && basis.databases.is_empty() {
        return Err(Error::NothingMeant {
            checkpoint: basis.checkpoint.id().clone(),
            named: listing(terms.paths.len(), &terms.paths),
        });
    }
    Ok(Compared {
        differences,
        accounts,
        owners,
        terms,
    })
}

/// A second look at both sides, for what the first one had no reason to keep. Names of hard-link groups that
/// are put in place as a whole become differences.
async fn look_again(
    sides: &Sides,
    differences: &mut Differences,
    roots: &Roots,
    accounts: Accounts,
    is_meant: &dyn Fn(&RemotePath) -> bool,
) -> Result<Found, Error> {
    let mut needed = roots::needed(differences, roots);
    if !needed.leaders.is_empty() {
        let (reading, known) = (sides.clone(), accounts.clone());
        let found = blocking(move || reading.found(&needed, &known)).await?;
        differences.add_groups(&found, is_meant);
        needed = roots::needed(differences, roots);
    }
    if needed.directories.is_empty() {
        return Ok(Found::default());
    }
    let reading = sides.clone();
    Ok(blocking(move || reading.found(&needed, &accounts)).await?)
}

/// Where everything goes, and with which rights.
struct Settled {
    roots: Roots,
    sudo: bool,
    refusals: Vec<String>,
}

/// Finds the roots on the host. Directories that are missing above what was captured become differences.
async fn settle_roots(
    basis: &Basis,
    differences: &mut Differences,
    accounts: &Accounts,
    needs_root: bool,
    session: &ReadSession,
) -> Result<Settled, Error> {
    let mut wanted = candidates(differences, &basis.parts);
    let mut refusals = add_mount_points(&mut wanted, differences, &basis.probe);
    let ground = Ground::of(&wanted, needs_root, session)
        .await
        .map_err(|error| Error::Ground(Box::new(error)))?;
    let mut roots = Roots::default();
    for candidate in &wanted {
        match ground.nearest(candidate) {
            Ok((root, device)) => {
                add_parents(differences, candidate, &root, basis);
                roots.add(root, device);
            }
            Err(obstacle) => refusals.push(obstacle.to_string()),
        }
    }
    differences.items.sort_by(|a, b| a.path().cmp(b.path()));
    let is_mounted = |path: &RemotePath| basis.probe.mounts.iter().any(|m| m.point == *path);
    roots.join(|path| !is_mounted(path) && is_known(path, &basis.parts));
    let user = accounts.user(&basis.probe.account);
    let is_others =
        |root: &RemotePath| ground.at(root).is_some_and(|facts| Some(facts.uid) != user);
    let sudo =
        !basis.probe.is_root && (needs_root || roots.iter().any(|(root, _)| is_others(root)));
    refusals.extend(lack_of_rights(sudo, &basis.probe));
    let staged = roots.iter().filter(|(root, _)| ground.is_staged_in(root));
    let staged = staged.map(|(root, _)| root.clone()).collect();
    refusals.extend(unfinished(&staged));
    Ok(Settled {
        roots,
        sudo,
        refusals,
    })
}

/// Directories that are missing above what was captured are made.
fn add_parents(
    differences: &mut Differences,
    candidate: &RemotePath,
    root: &RemotePath,
    basis: &Basis,
) {
    // Shown with the part that needs them.
    let owner = differences
        .items
        .iter()
        .find(|item| item.path().is_within(candidate));
    let Some(name) = owner.map(|item| item.part().clone()) else {
        return;
    };
    let now = FileTime {
        seconds: basis.checkpoint.checkpoint().finished.as_second(),
        nanoseconds: 0,
    };
    let mut at = Some(candidate.clone());
    while let Some(path) = at.filter(|path| path != root) {
        at = path.parent();
        if differences.items.iter().any(|item| *item.path() == path) {
            continue;
        }
        differences.items.push(Item {
            action: Action::Create,
            wanted: Some(Arc::new(roots::missing_parent(path, name.clone(), now))),
            live: None,
            is_put: false,
            content: None,
        });
    }
}

/// Mount points beneath `candidates` in which something differs are roots of their own: nothing can be
/// renamed from one to another. What cannot be done to a mount point itself is a refusal.
fn add_mount_points(
    candidates: &mut BTreeSet<RemotePath>,
    differences: &Differences,
    probe: &Probe,
) -> Vec<String> {
    let mut refusals = Vec::new();
    for mount in probe.mounts.iter() {
        let point = &mount.point;
        let is_beneath = |root: &RemotePath| point != root && point.is_within(root);
        if !candidates.iter().any(is_beneath) {
            continue;
        }
        let mut items = differences.items.iter();
        if let Some(item) = items.clone().find(|item| item.path() == point)
            && (item.is_put || item.is_cleared())
        {
            refusals.push(format!(
                "{point} is a mount point on the host, and cannot be replaced or removed"
            ));
        } else if items.any(|item| item.path().is_within(point)) {
            candidates.insert(point.clone());
        }
    }
    refusals
}

/// Whether a directory source holds the directory at `path`.
fn is_known(path: &RemotePath, parts: &[RestoredPart]) -> bool {
    parts.iter().any(|part| {
        let Some(root) = part.roots.iter().find(|root| path.is_within(root)) else {
            return false;
        };
        let Ok(exclude) = Exclude::new(&part.part.exclude) else {
            return false;
        };
        let mut at = Some(path.clone());
        while let Some(path) = at.filter(|path| path != root) {
            if exclude.leaves_out(root, &path, true) {
                return false;
            }
            at = path.parent();
        }
        true
    })
}

/// Whether files change that are not those of the account that logged in.
fn needs_root(basis: &Basis, differences: &Differences, accounts: &Accounts) -> bool {
    let user = accounts.user(&basis.probe.account);
    let is_others = |one: &Arc<PartEntry>| Some(one.entry.owner.uid) != user;
    let mut items = differences.items.iter();
    !basis.probe.is_root
        && (basis.parts.iter().any(|part| part.source.sudo)
            || items.any(|item| item.wanted.iter().chain(&item.live).any(is_others)))
}
