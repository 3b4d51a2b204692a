//! Files of this repository that the documents name exist.

use regex::Regex;

use super::markdown::{all, root};

#[test]
fn documents_name_files_that_exist() {
    let path = Regex::new(r"^(src|tests|testbed|benches|inventory|playbooks|docs|\.ci)/[\w./-]*$")
        .expect("an expression");
    let mut wrong = Vec::new();
    for page in all() {
        // What was true of an earlier version stays in the changelog.
        if page.name == "CHANGELOG.md" {
            continue;
        }
        for (line, span) in page.spans() {
            // `inventory/fleet.yaml` is also what users write at home.
            if path.is_match(&span) && !root().join(&span).exists() {
                wrong.push(format!("{}:{line}: {span} does not exist", page.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
