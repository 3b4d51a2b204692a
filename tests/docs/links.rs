//! Every relative link leads to a file or heading that exists, and every page is in the book.

use std::path::{Component, Path, PathBuf};

use super::markdown::{Page, all, book, root};

fn is_external(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://") || link.starts_with("mailto:")
}

/// The path without `.` and `..`; none if it leaves the repository.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            Component::Normal(name) => normal.push(name),
            _ => return None,
        }
    }
    Some(normal)
}

/// Why a link leads nowhere.
fn problem(page: &Page, link: &str) -> Option<String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        PathBuf::from(&page.name)
    } else {
        let Some(target) = normal(&page.folder().join(file)) else {
            return Some("leaves the repository".to_owned());
        };
        target
    };
    if !root().join(&target).exists() {
        return Some("names no file".to_owned());
    }
    // The book is built from docs/src alone.
    if page.name.starts_with("docs/src") && !target.starts_with("docs/src") {
        return Some("leads out of the book".to_owned());
    }
    if anchor.is_empty() {
        return None;
    }
    let anchors = Page::read(target.to_str().expect("text")).anchors();
    (!anchors.iter().any(|known| known == anchor)).then(|| "names no heading".to_owned())
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in all() {
        for (line, link) in page.links() {
            if is_external(&link) {
                continue;
            }
            if let Some(problem) = problem(&page, &link) {
                wrong.push(format!("{}:{line}: {link} {problem}", page.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_page_is_in_the_summary_once() {
    let summary = Page::read("docs/src/SUMMARY.md");
    let mut listed: Vec<String> = summary
        .links()
        .into_iter()
        .map(|(_, link)| format!("docs/src/{link}"))
        .collect();
    listed.push(summary.name);
    listed.sort();
    let names: Vec<String> = book().into_iter().map(|page| page.name).collect();
    assert_eq!(listed, names);
}

#[test]
fn broken_links_are_found() {
    let page = Page::read("docs/src/SUMMARY.md");
    for (link, expected) in [
        ("none.md", Some("names no file")),
        ("index.md#none", Some("names no heading")),
        ("../../README.md", Some("leads out of the book")),
        ("../../../x", Some("leaves the repository")),
        ("index.md", None),
    ] {
        assert_eq!(problem(&page, link).as_deref(), expected, "{link}");
    }
}
