//! Tests of messages about a connection: the host's banner, and ssh_config options that are not followed.

use super::fixture::CliFixture;
use crate::support::sshd::Sshd;

#[test]
fn the_words_of_a_host_are_shown_with_v_and_options_that_are_not_followed_by_doctor() {
    let bed = CliFixture::new();
    bed.write("banner", "Property of ACME\nKeep out\n");
    let Some(server) = Sshd::builder()
        .option(format!("Banner {}", bed.path("banner").display()))
        .start()
    else {
        return;
    };
    bed.write("fleet.yaml", &server.inventory_text("web"));
    let config = server.ssh_config().file.expect("a file");
    let text = std::fs::read_to_string(&config).expect("ssh_config");
    server.write_ssh_config(&format!("{text}  StrictHostKeyChecking accept-new\n"));
    let ran = bed.fleet_at(&server, &["doctor", "web"]);
    let note = "not followed: `StrictHostKeyChecking`: host keys are always checked, and only `fleet trust` adds one";
    assert!(ran.stdout.contains(note), "{}", ran.stdout);
    assert!(!ran.stderr.contains("ACME"), "{}", ran.stderr);
    let ran = bed.fleet_at(&server, &["-v", "doctor", "web"]);
    assert!(
        ran.stderr.contains("web said: Property of ACME\nKeep out"),
        "{}",
        ran.stderr
    );
}
