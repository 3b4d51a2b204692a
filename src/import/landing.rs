//! Maps the paths in a backup to paths on the host, and to the parts of the checkpoint.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::inventory::{Host, SourceKind};
use crate::name::{ParsePathError, RemotePath, SourceName};

/// What the operator says about where things land.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathMapping {
    /// The folder on the host that the backup was taken of; none: `/`.
    pub at: Option<RemotePath>,
    /// How many leading folders are taken off the names in the backup; none: one, if everything is in
    /// one folder that is called after a time.
    pub strip: Option<usize>,
    /// Folders and files of the backup that land elsewhere.
    pub maps: Vec<Mapping>,
    /// The part that everything goes into; none: that of the source that has the place on the host.
    pub part: Option<SourceName>,
}

/// `FROM=TO`: a folder or file of the backup, and its path on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// In the backup, as if its top were `/`.
    pub from: RemotePath,
    /// On the host.
    pub to: RemotePath,
}

/// The text is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseMappingError {
    /// It has no `=`.
    #[error("write FROM=/TO: a directory of the backup, and where it was on the host")]
    NoEquals,
    /// One of the two is no path.
    #[error(transparent)]
    Path(#[from] ParsePathError),
}

impl FromStr for Mapping {
    type Err = ParseMappingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (from, to) = text.split_once('=').ok_or(ParseMappingError::NoEquals)?;
        let from = from.trim_start_matches("./");
        Ok(Self {
            from: RemotePath::from_member(from.as_bytes())?,
            to: to.parse()?,
        })
    }
}

/// Where a name of the backup belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// There, by this rule.
    At(RemotePath, RemotePath),
    /// It is one of the folders that are taken off, or the backup's own top.
    Above,
    /// It would have a path that none has.
    Nowhere,
}

/// The rules, ready to be asked.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) strip: usize,
    at: RemotePath,
    maps: Vec<Mapping>,
    /// Files of the backup that its own system wrote about it.
    own: BTreeMap<RemotePath, RemotePath>,
}

impl Rules {
    /// `own` are files of the backup, as they are called there, that are kept apart in `part`.
    pub(super) fn new(
        landing: &PathMapping,
        strip: usize,
        own: impl Iterator<Item = RemotePath>,
        part: &SourceName,
    ) -> Self {
        let mut maps = landing.maps.clone();
        // The longest match is found first.
        maps.sort_by_key(|map| std::cmp::Reverse(map.from.as_bytes().len()));
        let apart = captures_of(part);
        let own = own.filter_map(|path| {
            let name = path.file_name().to_vec();
            Some((path, join(&apart, &name)?))
        });
        Self {
            strip,
            at: landing.at.clone().unwrap_or_else(root),
            maps,
            own: own.collect(),
        }
    }

    /// Where `path` of the backup belongs.
    pub(super) fn place(&self, path: &RemotePath) -> Place {
        let Some(rest) = stripped(path.member(), self.strip) else {
            return Place::Above;
        };
        let Ok(name) = RemotePath::from_member(rest) else {
            // The backup's own top, where it is a member: the folder that it was taken of.
            return match rest.is_empty() && self.at != root() && self.strip == 0 {
                true => Place::At(self.at.clone(), self.at.clone()),
                false => Place::Above,
            };
        };
        for map in &self.maps {
            if let Some(rest) = name.relative_to(&map.from) {
                return match join(&map.to, rest) {
                    Some(to) => Place::At(to, map.to.clone()),
                    None => Place::Nowhere,
                };
            }
        }
        if let Some(to) = self.own.get(path) {
            let rule = to.parent().unwrap_or_else(root);
            return Place::At(to.clone(), rule);
        }
        match join(&self.at, rest) {
            Some(to) => Place::At(to, self.at.clone()),
            None => Place::Nowhere,
        }
    }

    /// The first mapping of which nothing is in the backup.
    pub(super) fn unused<'a>(
        &'a self,
        paths: &(impl Iterator<Item = &'a RemotePath> + Clone),
    ) -> Option<&'a Mapping> {
        self.maps.iter().find(|map| {
            !paths.clone().any(|path| {
                let name = stripped(path.member(), self.strip)
                    .and_then(|rest| RemotePath::from_member(rest).ok());
                name.is_some_and(|name| name.is_within(&map.from))
            })
        })
    }
}

/// The part in which a path of `host` belongs: that of the source that captures directories above it,
/// the deepest one first; none if no source does.
pub(super) fn part_of(host: &Host, path: &RemotePath) -> Option<SourceName> {
    let mut best: Option<(usize, &SourceName)> = None;
    for source in &host.sources {
        let SourceKind::Directory(directory) = &source.kind else {
            continue;
        };
        for root in &directory.roots {
            let length = root.as_bytes().len();
            if path.is_within(root) && best.is_none_or(|(deepest, _)| length > deepest) {
                best = Some((length, &source.name));
            }
        }
    }
    best.map(|(_, name)| name.clone())
}

fn root() -> RemotePath {
    RemotePath::from_bytes("/").expect("the root is a path")
}

/// Where small captures of `part` are.
fn captures_of(part: &SourceName) -> RemotePath {
    RemotePath::from_bytes(format!("/fleet-captures/{part}")).expect("a name is a component")
}

/// `name` without its first `strip` folders; none if it is one of them.
fn stripped(name: &[u8], strip: usize) -> Option<&[u8]> {
    let mut rest = name;
    for _ in 0..strip {
        let slash = rest.iter().position(|&b| b == b'/')?;
        rest = &rest[slash + 1..];
    }
    Some(rest)
}

fn join(folder: &RemotePath, rest: &[u8]) -> Option<RemotePath> {
    let mut bytes = folder.as_bytes().to_vec();
    if !rest.is_empty() {
        if bytes.last() != Some(&b'/') {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(rest);
    }
    RemotePath::from_bytes(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().expect("a path")
    }

    fn lands(landing: &PathMapping, strip: usize, name: &str) -> String {
        let own = [path("/x/MANIFEST.txt"), path("/MANIFEST.txt")];
        let part = "import".parse().expect("a name");
        let rules = Rules::new(landing, strip, own.into_iter(), &part);
        match rules.place(&path(name)) {
            Place::At(to, rule) => format!("{to} by {rule}"),
            Place::Above => "above".to_owned(),
            Place::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    fn names_land_where_the_rules_say() {
        let plain = PathMapping::default();
        assert_eq!(lands(&plain, 0, "/etc/hosts"), "/etc/hosts by /");
        assert_eq!(lands(&plain, 0, "/"), "above");
        assert_eq!(lands(&plain, 1, "/x"), "above");
        assert_eq!(lands(&plain, 1, "/x/etc/hosts"), "/etc/hosts by /");
        assert_eq!(
            lands(&plain, 1, "/x/MANIFEST.txt"),
            "/fleet-captures/import/MANIFEST.txt by /fleet-captures/import"
        );
        let mapped = PathMapping {
            at: Some(path("/opt/app")),
            maps: [
                "asterisk=/etc/asterisk",
                "asterisk/keys=/root/keys",
                "a.sql=/b.sql",
            ]
            .map(|text| text.parse().expect("a mapping"))
            .to_vec(),
            ..PathMapping::default()
        };
        for (name, to) in [
            ("/", "/opt/app by /opt/app"),
            ("/server.js", "/opt/app/server.js by /opt/app"),
            ("/asterisk", "/etc/asterisk by /etc/asterisk"),
            (
                "/asterisk/sip.conf",
                "/etc/asterisk/sip.conf by /etc/asterisk",
            ),
            ("/asterisk/keys/k", "/root/keys/k by /root/keys"),
            ("/asterisk2", "/opt/app/asterisk2 by /opt/app"),
            ("/a.sql", "/b.sql by /b.sql"),
        ] {
            assert_eq!(lands(&mapped, 0, name), to, "{name}");
        }
        assert_eq!(lands(&mapped, 1, "/x"), "above");
    }

    #[test]
    fn mappings_need_two_paths() {
        for (text, message) in [
            (
                "asterisk",
                "write FROM=/TO: a directory of the backup, and where it was on the host",
            ),
            (
                "asterisk=etc",
                "`etc` is not an absolute path without empty, `.` or `..` components",
            ),
            (
                "../a=/etc",
                "`/../a` is not an absolute path without empty, `.` or `..` components",
            ),
        ] {
            let refused = text.parse::<Mapping>().map_err(|error| error.to_string());
            assert_eq!(refused, Err(message.to_owned()));
        }
        let mapping: Mapping = "./a/b/=/etc/x/".parse().expect("a mapping");
        assert_eq!(mapping.from, path("/a/b"));
        assert_eq!(mapping.to, path("/etc/x"));
    }
}
