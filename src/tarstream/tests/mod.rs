//! Real archives, cut archives, hostile archives.

mod agreement;
mod cuts;
mod hostile;
mod real;
