//! "Did you mean …?": finds the known name that a mistyped one probably means.

use std::fmt::Display;

/// Longer texts are no mistyped names, and would be slow to compare.
const COMPARED_MAX_BYTES: usize = 64;

/// The one of `known` whose name is most like `text`, if any is like it: at most one edit (a character
/// more, less or different, or two exchanged) and one more for every four bytes of the name.
#[must_use]
pub fn nearest<T>(
    text: &str,
    known: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &str,
) -> Option<T> {
    if text.len() > COMPARED_MAX_BYTES {
        return None;
    }
    known
        .into_iter()
        .map(|item| (strsim::damerau_levenshtein(text, name(&item)), item))
        .filter(|(edits, item)| *edits <= 1 + name(item).len() / 4)
        .min_by(|(edits, item), (other_edits, other)| {
            edits
                .cmp(other_edits)
                .then_with(|| name(item).cmp(name(other)))
        })
        .map(|(_, item)| item)
}

/// The hint for a name that was probably mistyped.
#[must_use]
pub fn did_you_mean(name: impl Display) -> String {
    format!("Did you mean `{name}`?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_with_the_fewest_edits_is_meant_if_they_are_few() {
        let known = ["dev-vm", "prod-vm", "env", "translation", "use"];
        for (text, meant) in [
            ("dev-vn", Some("dev-vm")),
            ("dve-vm", Some("dev-vm")),
            ("devvm", Some("dev-vm")),
            ("prd-vm", Some("prod-vm")),
            ("evn", Some("env")),
            ("uses", Some("use")),
            ("tranlsatoin", Some("translation")),
            ("us-east", None),
            ("web-1", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known, |name| name), meant, "{text}");
        }
        let long = "x".repeat(COMPARED_MAX_BYTES + 1);
        assert_eq!(nearest(&long, [long.as_str()], |name| name), None);
    }

    #[test]
    fn of_two_that_are_as_near_the_first_by_name_is_meant() {
        for known in [["web-1", "web-2"], ["web-2", "web-1"]] {
            assert_eq!(nearest("web-3", known, |name| name), Some("web-1"));
        }
        assert_eq!(did_you_mean("web-1"), "Did you mean `web-1`?");
    }
}
