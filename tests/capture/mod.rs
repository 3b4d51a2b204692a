//! Tests of sources that are not files: output of programs, databases, answers of web servers; each with the
//! real program from a real host.

use crate::support::host_fixture::HostFixture;

mod command;
mod facts;
mod http;
mod layout;
mod postgres;
