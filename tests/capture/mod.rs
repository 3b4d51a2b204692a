//! What is captured beside files: what programs print, databases, what web servers answer; each with
//! the real program from a real host.

use crate::support::host_fixture::HostFixture;

mod command;
mod facts;
mod http;
mod layout;
mod postgres;
