//! The digest of a plan: it covers the checkpoint, the target's identity and every action.

use super::Plan;
use crate::digest::{Hasher, Sha256};
use crate::guard::RestoreTools;
use crate::name::RemotePath;

impl Plan {
    /// The digest. Equal digests mean that the same happens to the same machine.
    #[must_use]
    pub fn digest(&self) -> Sha256 {
        let mut hasher = Fields(Hasher::new());
        hasher.add(b"fleet restore plan 1");
        hasher.add(self.checkpoint.to_string().as_bytes());
        hasher.add(self.checkpoint_sha256.as_bytes());
        let target = &self.target;
        for text in [
            target.host.as_str(),
            &target.address,
            &target.host_key,
            &target.machine_id,
        ] {
            hasher.add(text.as_bytes());
        }
        match self.tools {
            RestoreTools::Gnu => {}
            RestoreTools::Slow => hasher.add(b"slow"),
        }
        for part in &self.parts {
            hasher.add(part.name.as_str().as_bytes());
            for change in &part.changes {
                hasher.add(change.action.as_str().as_bytes());
                hasher.add(change.path.as_bytes());
            }
        }
        let made = &self.bootstrap;
        hasher.add(format!("{:?} {:?} {:?}", made.packages, made.groups, made.users).as_bytes());
        for part in &self.databases {
            let server = part.system_identifier.as_deref().unwrap_or_default();
            for text in [part.part.as_str(), server, part.making_roles()] {
                hasher.add(text.as_bytes());
            }
            for database in &part.databases {
                hasher.add(database.name.as_bytes());
                hasher.add(database.action.as_str().as_bytes());
                hasher.add(database.statements().as_bytes());
            }
        }
        for service in &self.services.services {
            hasher.add(service.name.as_str().as_bytes());
            hasher.add(service.action.as_str().as_bytes());
        }
        for (root, (device, plan)) in &self.roots {
            hasher.add(root.as_bytes());
            hasher.add(&device.to_be_bytes());
            for put in &plan.put {
                hasher.add(put.place.as_bytes());
                hasher.add(
                    &put.one
                        .entry
                        .file_sha256()
                        .map_or([0; 32], |d| *d.as_bytes()),
                );
                hasher.add(put.link_to.as_ref().map_or(b"", RemotePath::as_bytes));
            }
            let lists = [&plan.made, &plan.clear, &plan.gone];
            for path in lists.into_iter().flatten() {
                hasher.add(path.as_bytes());
            }
            let changed = plan.metadata.iter().chain(&plan.directories);
            for one in changed {
                hasher.add(one.entry.path.as_bytes());
                hasher.add(&one.entry.mode.to_be_bytes());
            }
        }
        hasher.0.finish()
    }
}

/// Hashes fields, each with its length before it.
struct Fields(Hasher);

impl Fields {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }
}
