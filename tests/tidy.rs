//! The house rules that no compiler checks: floors, module docs, file sizes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use fleet::fault::Code;

/// The floor of every module; a module imports only from floors below its own.
const FLOORS: [(&str, u8); 33] = [
    ("cli", 11),
    ("report", 9),
    ("engine", 8),
    ("checkpoint", 7),
    ("import", 7),
    ("live", 7),
    ("intake", 6),
    ("restore", 6),
    ("health", 6),
    ("scan", 5),
    ("evidence", 5),
    ("ssh", 4),
    ("source", 4),
    ("store", 4),
    ("audit", 4),
    ("blocking", 3),
    ("disk", 3),
    ("interrupt", 3),
    ("pack", 3),
    ("guard", 2),
    ("tarstream", 2),
    ("event", 2),
    ("change", 2),
    ("shrinkage", 2),
    ("inventory", 1),
    ("manifest", 1),
    ("name", 0),
    ("redact", 0),
    ("digest", 0),
    ("fault", 0),
    ("units", 0),
    ("main", 12),
    ("lib", 12),
];

/// At this length look for the second noun inside.
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of this repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).expect("a source file is text")
}

fn module_of(file: &Path) -> String {
    let inside = file
        .strip_prefix(root().join("src"))
        .expect("a file of src");
    let first = inside.components().next().expect("a file has a name");
    first
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

/// The modules of this crate that a file names in code: after `crate::`, or `fleet::` in main.
fn imports(text: &str) -> Vec<String> {
    named_after(&["crate::", "fleet::"], text)
}

/// The first word of every path that follows one of `prefixes` in code, in groups too.
fn named_after(prefixes: &[&str], text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line.trim(), " "])
        .collect();
    let mut modules = Vec::new();
    let paths = prefixes
        .iter()
        .flat_map(|prefix| code.match_indices(prefix));
    for (at, prefix) in paths {
        let rest = code[at + prefix.len()..].trim_start();
        let names = match rest.strip_prefix('{') {
            Some(list) => group(list),
            None => vec![rest],
        };
        for name in names {
            let word: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            // Nothing comes behind the last comma.
            if !word.is_empty() {
                modules.push(word);
            }
        }
    }
    modules
}

/// The items of a group of imports, whose `{` has been taken; groups within it stay whole.
fn group(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut items) = (0_u32, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match (c, depth) {
            ('{', _) => depth += 1,
            ('}', 0) => {
                items.push(&list[from..at]);
                return items;
            }
            ('}', _) => depth -= 1,
            (',', 0) => {
                items.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    items
}

#[test]
fn modules_import_only_from_floors_below() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        let Some(own) = floors.get(module.as_str()) else {
            wrong.push(format!("{module} has no floor in tests/tidy.rs"));
            continue;
        };
        for import in imports(&text(&file)) {
            let Some(floor) = floors.get(import.as_str()) else {
                continue;
            };
            if import != module && floor >= own {
                wrong.push(format!(
                    "{}: {module} ({own}) imports {import} ({floor})",
                    file.display()
                ));
            }
        }
    }
    wrong.dedup();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn imports_are_seen_in_every_spelling() {
    let code = "use crate::name::HostName;\nuse crate::{guard, ssh::Error};\n// crate::cli\nlet x = crate::store::open();";
    assert_eq!(imports(code), ["name", "guard", "ssh", "store"]);
    let nested = "use crate::{\n    ssh::{self, Error},\n    store::{Incoming, tiers::{a, b}},\n    cli,\n};";
    assert_eq!(imports(nested), ["ssh", "store", "cli"]);
}

/// A verb may use shared files of `cli` and nothing that uses verbs, so that each file can be read alone.
#[test]
fn files_of_cli_import_each_other_in_no_circle() {
    let folder = root().join("src/cli");
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files(&folder) {
        let inside = file.strip_prefix(&folder).expect("a file of cli");
        let depth = inside.components().count();
        let first = inside.components().next().expect("a file has a name");
        let name = first.as_os_str().to_string_lossy();
        let name = name.trim_end_matches(".rs").to_owned();
        let text = text(&file);
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let above = "super::".repeat(depth);
        let used = named_after(&[&*above, "crate::cli::"], code);
        uses.entry(name).or_default().extend(used);
    }
    // mod.rs uses every verb. Its own items are named without a module.
    let modules: Vec<String> = uses.keys().cloned().collect();
    uses.insert("mod".to_owned(), modules.clone());
    for (name, used) in &mut uses {
        for word in used.iter_mut().filter(|word| !modules.contains(word)) {
            *word = "mod".to_owned();
        }
        used.retain(|word| word != name);
    }
    // What uses nothing that is left is in no circle.
    while let Some(free) = uses
        .iter()
        .find(|(_, used)| !used.iter().any(|word| uses.contains_key(word)))
        .map(|(name, _)| name.clone())
    {
        uses.remove(&free);
    }
    assert_eq!(uses, BTreeMap::new());
}

/// The floors of words, facts, rules and formats are pure: no files, no clock, no processes, no tasks.
#[test]
fn the_lower_floors_are_pure() {
    let floors: BTreeMap<&str, u8> = FLOORS.into();
    let impure = [
        "std::fs",
        "TcpStream",
        "UdpSocket",
        "std::process",
        "std::env",
        "std::thread",
        "tokio::",
        "async ",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
    ];
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let is_test = file.components().any(|part| part.as_os_str() == "tests")
            || file
                .file_stem()
                .is_some_and(|stem| stem == "tests" || stem == "sample");
        if is_test
            || floors
                .get(&*module_of(&file))
                .is_none_or(|floor| *floor > 2)
        {
            continue;
        }
        let text = text(&file);
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            if let Some(what) = impure.iter().find(|what| line.contains(**what)) {
                wrong.push(format!("{}: {what}", file.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What no error gives should not be documented.
#[test]
fn every_error_code_is_given_by_some_error() {
    let list = root().join("src/fault/code.rs");
    let files = rust_files(&root().join("src"));
    let texts: Vec<String> = files
        .iter()
        .filter(|file| **file != list)
        .map(|file| text(file))
        .collect();
    // `Code::of_io` gives these.
    let of_io = [Code::DiskFull, Code::LocalPermissionDenied];
    let unused: Vec<String> = Code::all()
        .filter(|code| !of_io.contains(code))
        .map(|code| format!("Code::{code:?}"))
        .filter(|name| {
            let is_word = |c: char| c.is_ascii_alphanumeric();
            !texts.iter().any(|text| {
                text.match_indices(name.as_str())
                    .any(|(at, _)| !text[at + name.len()..].starts_with(is_word))
            })
        })
        .collect();
    assert_eq!(unused, Vec::<String>::new());
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<PathBuf> = [root().join("src"), root().join("tests")]
        .iter()
        .flat_map(|folder| rust_files(folder))
        .filter(|file| !text(file).starts_with("//! "))
        .collect();
    assert_eq!(silent, Vec::<PathBuf>::new());
}

/// A folder with more entries than this on one level wants folders of its own; `src` and `src/cli` are lists.
const ENTRIES_MAX: usize = 20;

#[test]
fn no_folder_is_crowded() {
    let mut folders = vec![root().join("src")];
    let mut crowded = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of this repository");
        let entries: Vec<PathBuf> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        let is_list = [root().join("src"), root().join("src/cli")].contains(&folder);
        if entries.len() > ENTRIES_MAX && !is_list {
            crowded.push((folder, entries.len()));
        }
        folders.extend(entries.into_iter().filter(|path| path.is_dir()));
    }
    assert_eq!(crowded, Vec::new());
}

#[test]
fn no_file_holds_two_nouns() {
    let long: Vec<(PathBuf, usize)> = rust_files(&root().join("src"))
        .into_iter()
        .map(|file| (text(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| (file, lines))
        .collect();
    assert_eq!(long, Vec::new());
}
