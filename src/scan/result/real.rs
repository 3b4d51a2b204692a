//! Moves a plan from the paths that were asked for to the real ones.

use super::ScanResult;
use crate::manifest::{Resolved, real_path};
use crate::name::RemotePath;

impl ScanResult {
    /// The same with everything at its real path: until here, paths are as they were asked for. What was
    /// found in two ways is wanted once.
    pub(crate) fn at_real_paths(mut self, resolved: Vec<Resolved>) -> Self {
        if resolved.is_empty() {
            return self;
        }
        let move_to = |path: &mut RemotePath| *path = real_path(path, &resolved);
        self.roots.iter_mut().for_each(move_to);
        self.roots.sort();
        self.roots.dedup();
        for found in [&mut self.wanted, &mut self.sockets] {
            for entry in &mut *found {
                move_to(&mut entry.path);
            }
            found.sort_by(|a, b| a.path.cmp(&b.path));
            found.dedup_by(|a, b| a.path == b.path);
        }
        let is_wanted = |resolved: &Resolved| {
            [&self.wanted, &self.sockets].into_iter().any(|found| {
                let real = &resolved.real;
                let at = found.partition_point(|found| found.path < *real);
                // By bytes, `a-b` comes between `a` and `a/c`.
                let mut next = found[at..]
                    .iter()
                    .take_while(|found| found.path.as_bytes().starts_with(real.as_bytes()));
                next.any(|found| found.path.is_within(real))
            })
        };
        self.resolved = resolved.into_iter().filter(is_wanted).collect();
        self.resolved.sort_by(|a, b| a.asked.cmp(&b.asked));
        self.resolved.dedup();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::scan::Found;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    fn resolved(asked: &str, real: &str) -> Resolved {
        Resolved {
            asked: path(asked),
            real: path(real),
        }
    }

    #[test]
    fn entries_move_to_their_real_paths_once_and_only_what_led_there_is_noted() {
        let found = |text: &&str| Found {
            path: path(text),
            facts: None,
        };
        let wanted = [
            "/l/deep/x",
            "/l/f",
            "/r/f",
            // Between `/r` and what is in it.
            "/r-old/f",
        ];
        let result = ScanResult {
            roots: wanted.iter().map(|text| path(text)).collect(),
            wanted: wanted.iter().map(found).collect(),
            ..ScanResult::default()
        };
        let result = result.at_real_paths(vec![
            resolved("/none", "/n"),
            resolved("/l", "/r"),
            resolved("/l/deep", "/a"),
        ]);
        let names = |paths: Vec<&RemotePath>| -> Vec<String> {
            paths.into_iter().map(ToString::to_string).collect()
        };
        let expected = ["/a/x", "/r-old/f", "/r/f"];
        assert_eq!(
            names(result.wanted.iter().map(|f| &f.path).collect()),
            expected
        );
        assert_eq!(names(result.roots.iter().collect()), expected);
        assert_eq!(
            result.resolved,
            [resolved("/l", "/r"), resolved("/l/deep", "/a")]
        );
    }
}
