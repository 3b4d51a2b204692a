//! Real archives, cut archives, hostile archives.

mod cuts;
mod hostile;
mod real;
