//! Test support: real servers, broken networks, inventories, trees, and the program itself.

pub(crate) mod disk;
pub(crate) mod dropbear;
pub(crate) mod evidence;
pub(crate) mod fleet;
pub(crate) mod host_fixture;
pub(crate) mod http;
pub(crate) mod memory;
pub(crate) mod mount;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod recover;
pub(crate) mod secrets;
pub(crate) mod sshd;
pub(crate) mod testbed;
pub(crate) mod tree;

/// Says loudly that a test, or the rest of it, is left out, and why.
///
/// # Panics
///
/// With `FLEET_TEST_REQUIRE=1`, as in CI, nothing is left out that the machine should be able to do.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should see it")]
pub(crate) fn skipped(why: &str) {
    assert!(
        std::env::var_os("FLEET_TEST_REQUIRE").is_none_or(|value| value != "1"),
        "FLEET_TEST_REQUIRE=1 forbids skipping: {why}"
    );
    eprintln!("SKIPPED: {why}");
}

/// The same for what this machine or this account cannot do at all, which is no failure anywhere.
#[expect(clippy::print_stderr, reason = "whoever runs the tests should see it")]
pub(crate) fn not_here(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// A message about failed attempts to connect without the seconds that they took: a test must not
/// depend on them.
#[must_use]
pub(crate) fn untimed(text: &str) -> String {
    let took = regex::Regex::new(r"(\d+ attempts?), (\d+ s|TIME)\)").expect("an expression");
    took.replace_all(text, "$1)").into_owned()
}
