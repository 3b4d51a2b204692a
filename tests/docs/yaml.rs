//! Inventories that pages show are read by the program.
//!
//! A block that begins a version is a whole inventory. One that begins with `sources:`, `services:` or
//! `probes:` is those of one host, which is made up around it; one that begins with `hosts:` lacks only the version.

use std::fs;
use std::process::Command;

use super::markdown::all;

fn whole(lines: &[String]) -> Option<String> {
    let text = lines.join("\n") + "\n";
    let indented = |text: &str, by: &str| -> String {
        text.lines().map(|line| format!("{by}{line}\n")).collect()
    };
    let first = lines.iter().find(|line| !line.starts_with('#'))?;
    if first.starts_with("version:") {
        Some(text)
    } else if ["sources:", "services:", "probes:"]
        .iter()
        .any(|key| first.starts_with(key))
    {
        let host = "version: 1\nhosts:\n  web:\n    env: dev\n    access: writable\n";
        Some(host.to_owned() + &indented(&text, "    "))
    } else if first.starts_with("hosts:") || first.starts_with("defaults:") {
        Some("version: 1\n".to_owned() + &text)
    } else {
        None
    }
}

#[test]
fn inventories_in_pages_are_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("fleet.yaml");
    let mut wrong = Vec::new();
    let mut tried = 0;
    for page in all() {
        for block in page.blocks() {
            if block.language != "yaml" {
                continue;
            }
            let place = format!("{}:{}", page.name, block.first);
            let Some(text) = whole(&block.lines) else {
                wrong.push(format!("{place}: begins with no key that the test knows"));
                continue;
            };
            fs::write(&file, &text).expect("an inventory");
            let output = Command::new(env!("CARGO_BIN_EXE_fleet"))
                .arg("-i")
                .arg(&file)
                .arg("hosts")
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .env("HOME", folder.path())
                .output()
                .expect("fleet starts");
            tried += 1;
            if !output.status.success() {
                let stderr = String::from_utf8_lossy(&output.stderr);
                wrong.push(format!("{place}: {stderr}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(tried > 5, "{tried} inventories were tried");
}
