//! Pulls with the real program from a real server: what a checkpoint holds, and what becomes of it
//! when the host, the network, the disk or the operator misbehaves.

use crate::support::host_fixture::{HostFixture, program, set_machine_id};

mod altered;
mod blocks;
mod busybox;
mod content;
mod dropbear;
mod ends;
mod environment;
mod extended;
mod files;
mod hostile;
mod incremental;
mod leftovers;
mod live;
mod loss;
mod memory;
mod mounts;
mod moving;
mod one_tree;
mod packs;
mod roots;
mod several;
mod steps;
mod subset;
mod wire;
