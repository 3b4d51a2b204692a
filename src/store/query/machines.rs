//! Lists the machines that checkpoints were taken of, over all hosts of a store.

use crate::manifest::MachineIdentity;
use crate::name::CheckpointId;
use crate::store::Error;
use crate::store::Store;
use crate::store::files::layout;
use crate::store::query::sealed::read_machine;

/// A machine, as the newest checkpoint with just this identity recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedMachine {
    /// The checkpoint.
    pub id: CheckpointId,
    /// Which machine it was taken of.
    pub machine: MachineIdentity,
}

impl Store {
    /// The machines that all checkpoints of all hosts were taken of: by host, newest first. Those of one
    /// host that differ in nothing that identifies a machine or protects it are listed once.
    ///
    /// Reads one `checkpoint.json` a checkpoint, and only the beginning of what is in it.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`], [`Error::Newer`] or [`Error::Needs`] for the first record that does not read:
    /// nobody can tell which machine that was. [`Error::Io`] if a folder can't be listed.
    pub fn machines(&self) -> Result<Vec<RecordedMachine>, Error> {
        let mut all = Vec::new();
        for host in self.hosts()? {
            let mut machines: Vec<RecordedMachine> = Vec::new();
            for id in self.ids(&host)?.into_iter().rev() {
                let dir = layout::checkpoint_dir(self.dir(), &id);
                let machine = match read_machine(&dir, &id) {
                    Ok(machine) => machine,
                    // It was removed since its folder was listed.
                    Err(_) if !dir.exists() => continue,
                    Err(error) => return Err(error),
                };
                if !machines
                    .iter()
                    .any(|known| is_same(&known.machine, &machine))
                {
                    machines.push(RecordedMachine { id, machine });
                }
            }
            all.append(&mut machines);
        }
        Ok(all)
    }
}

fn is_same(one: &MachineIdentity, other: &MachineIdentity) -> bool {
    let key = |machine: &MachineIdentity| {
        (
            machine.protected,
            machine.env.clone(),
            machine.host_key.clone(),
            machine.machine_id.clone(),
        )
    };
    key(one) == key(other)
}
