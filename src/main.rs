//! The `fleet` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet::cli::main()
}
