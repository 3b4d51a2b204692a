//! Real trees and real archives of them, for tests.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Error, Event, Member, MemberStream};

/// A tree of every kind that this account may make; the lines of `find -print0` name what is in it.
const TREE: &str = r#"
    set -eu
    mkdir -p tree/empty tree/deep/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))
    cd tree
    printf hello > plain
    : > nothing
    head -c 5000 /dev/urandom > random
    ln plain second
    ln -s nowhere/at/all dangling
    ln -s $(printf 'target/%.0s' $(seq 40)) long-link
    mkfifo pipe
    far=$(echo deep/d*/e*)/$(printf 'n%.0s' $(seq 150))
    printf deep > $far
    ln $far deep/far-link
    printf long > $(printf 'x%.0s' $(seq 255))
    printf odd > "$(printf 'not\377utf8')"
    printf line > "$(printf 'new\nline')"
    printf dash > ./-rf
    printf slash > 'back\slash'
    truncate -s 1M all-hole
    truncate -s 3M sparse
    printf middle | dd of=sparse bs=1 seek=1500000 conv=notrunc status=none
    truncate -s 1000001 odd-tail
    printf tail | dd of=odd-tail bs=1 seek=1000000 conv=notrunc status=none
    printf old > old; touch -d '1959-01-01 00:00:00.123456789 UTC' old
    printf new > new; touch -d '2242-03-16 12:56:32.000000001 UTC' new
    printf wide > mode; chmod 6751 mode
    if mknod device c 1 3 2>/dev/null; then
        mknod block b 7 200
        chown 3000000:3000001 mode; chmod 6751 mode
        setcap cap_net_raw+ep plain 2>/dev/null || :
    fi
"#;

/// Makes the tree as `dir/tree`.
pub(crate) fn make_tree(dir: &Path) {
    sh(dir, TREE);
}

/// Runs `script` in `dir` and gives what it printed.
pub(crate) fn sh(dir: &Path, script: &str) -> Vec<u8> {
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(dir)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .expect("bash runs");
    assert!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// `dir/tree` as a host sends it.
pub(crate) fn archive(dir: &Path) -> Vec<u8> {
    archive_as(dir, "--format=posix -S --xattrs --acls")
}

/// `dir/tree` as tar sends it with `options`.
pub(crate) fn archive_as(dir: &Path, options: &str) -> Vec<u8> {
    sh(
        dir,
        &format!(
            "find tree -print0 | sort -z | tar {options} --no-recursion --null --verbatim-files-from -T - -cf -"
        ),
    )
}

/// Everything in `archive`; checks on the way that the raw bytes come out as they went in.
pub(crate) fn read_all(archive: &[u8]) -> Result<Vec<Member>, Error> {
    let mut stream = MemberStream::new(archive);
    let (mut members, mut raw_bytes) = (Vec::new(), Vec::new());
    loop {
        match stream.next()? {
            Event::Begin { raw, .. } => raw_bytes.extend_from_slice(raw),
            Event::Data(bytes) => raw_bytes.extend_from_slice(bytes),
            Event::Hole(_) => {}
            Event::End(member) => members.push(member),
            Event::Finished => break,
        }
        assert_eq!(raw_bytes.len() as u64, stream.offset_bytes());
    }
    assert_eq!(raw_bytes, archive[..raw_bytes.len()]);
    Ok(members)
}
