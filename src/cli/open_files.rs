//! Raises the limit of open files, which connections, runs of `ssh` and packs being written share.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than all hosts take that anybody works on at once, and as many as macOS gives.
const OPEN_FILES_WANTED: u64 = 10_240;

/// Takes as many open files as are wanted, if the system allows them: what a shell gives at first, 256
/// here and 1,024 there, is little for hundreds of hosts.
pub(super) fn raise() {
    let Some(limit) = raised(getrlimit(Resource::Nofile)) else {
        return;
    };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        // What there is may well be enough.
        tracing::debug!(?limit, %error, "the limit of open files stays");
    }
}

/// The limit to ask for; none if there is nothing to gain.
fn raised(limit: Rlimit) -> Option<Rlimit> {
    let now = limit.current?;
    let wanted = limit
        .maximum
        .map_or(OPEN_FILES_WANTED, |maximum| maximum.min(OPEN_FILES_WANTED));
    (now < wanted).then_some(Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_may_be_and_never_lowered() {
        let current = |current, maximum| raised(Rlimit { current, maximum }).map(|l| l.current);
        assert_eq!(current(Some(256), None), Some(Some(10_240)));
        assert_eq!(current(Some(1024), Some(4096)), Some(Some(4096)));
        assert_eq!(current(Some(1024), Some(1 << 20)), Some(Some(10_240)));
        assert_eq!(current(Some(256), Some(256)), None);
        assert_eq!(current(Some(20_000), Some(1 << 20)), None);
        assert_eq!(current(None, None), None);
    }
}
