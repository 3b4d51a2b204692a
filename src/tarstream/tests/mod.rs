//! Real archives, cut archives, hostile archives.

mod agreement;
mod archive;
mod cuts;
mod hostile;
mod real;
