//! Databases of a real server, put back through a real host.

mod bed;
mod ends;
mod plans;
mod steps;
