//! What is captured beside files: what programs print, databases, what web servers answer; each with
//! the real program from a real host.

use crate::support::scene::Scene;

mod command;
mod facts;
mod layout;
mod postgres;
