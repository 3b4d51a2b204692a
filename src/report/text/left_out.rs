//! Formats the file systems that a source leaves out.

use crate::manifest::LeftOut;
use crate::units::listing;

/// `other file systems left out: /srv/app/cache (tmpfs)`; none if there are none.
#[must_use]
pub fn left_out(left_out: &[LeftOut]) -> Option<String> {
    if left_out.is_empty() {
        return None;
    }
    Some(format!(
        "other file systems left out: {}",
        listing(left_out.len(), left_out)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_are_named_and_the_rest_is_counted() {
        let mounts: Vec<LeftOut> = (1..=12)
            .map(|number| LeftOut {
                path: format!("/mnt/{number}").parse().expect("a path"),
                kind: "tmp\x1bfs".to_owned(),
            })
            .collect();
        assert_eq!(left_out(&[]), None);
        assert_eq!(
            left_out(&mounts[..2]).as_deref(),
            Some("other file systems left out: /mnt/1 (tmp\\u{1b}fs), /mnt/2 (tmp\\u{1b}fs)")
        );
        let all = left_out(&mounts).expect("some");
        assert!(all.ends_with("/mnt/10 (tmp\\u{1b}fs) and 2 more"), "{all}");
    }
}
