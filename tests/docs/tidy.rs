//! Files that the documents name exist, and the page about the architecture names every module.

use std::fs;

use regex::Regex;

use super::markdown::{Page, all, root};

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

#[test]
fn the_architecture_names_every_module() {
    let page = Page::read("docs/src/explanation/architecture.md");
    let spans: Vec<String> = page.spans().into_iter().map(|span| span.1).collect();
    let map = fs::read_to_string(root().join("src/lib.rs")).expect("the library");
    let modules: Vec<&str> = map
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|module| module.trim_end_matches(';'))
        .collect();
    assert!(modules.contains(&"store"), "{modules:?}");
    let missing: Vec<&&str> = modules
        .iter()
        .filter(|module| !spans.iter().any(|span| span == *module))
        .collect();
    assert_eq!(missing, Vec::<&&str>::new());
}
