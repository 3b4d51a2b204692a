//! Measures the peak memory of a program.

use std::process::Command;

use super::fleet::FleetOutput;

/// Runs the program, starts nothing beside it, and says what it used at most on standard error.
const MEASURE: &str = "import resource, subprocess, sys\n\
    status = subprocess.run(sys.argv[1:]).returncode\n\
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n\
    print(f'PEAK {peak}', file=sys.stderr)\n\
    sys.exit(status)";

/// Runs `command` to its end. Gives what came of it, and the most MiB of memory that it held.
pub(crate) fn measured(command: &Command) -> (FleetOutput, u64) {
    let mut python = Command::new("python3");
    python
        .args(["-c", MEASURE])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(std::process::Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        python.current_dir(folder);
    }
    let mut ran = FleetOutput::of(&mut python);
    let at = ran.stderr.rfind("PEAK ").expect("it was measured");
    let peak_kib: u64 = ran.stderr[at + 5..].trim().parse().expect("a number");
    ran.stderr.truncate(at);
    (ran, peak_kib >> 10)
}
