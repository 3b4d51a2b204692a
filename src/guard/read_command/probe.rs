//! How the probe is said: one script of questions that every POSIX shell can answer.

pub(super) fn probe(ask_sudo: bool) -> Vec<u8> {
    let mut script = r#"
p() { printf '%s=%s\n' "$1" "$2"; };
first() { "$@" 2>&1 </dev/null | head -n 1; };
has() { command -v "$1" >/dev/null 2>&1 && p "tool" "$1"; };
p uname "$(uname -sr)";
p kernel "$(uname -r)";
p hostname "$(uname -n)";
p account "$(id -un)";
p uid "$(id -u)";
p machine_id "$(cat /etc/machine-id 2>/dev/null)";
p os "$(. /etc/os-release 2>/dev/null; printf %s "$PRETTY_NAME")";
p clock "$(date +%s.%N)";
p find "$(first find --version)";
p tar "$(first tar --version)";
for t in find tar sh sudo setsid zstd gzip sha256sum nice ionice; do has $t; done;
p free_kib "$(df -Pk / 2>/dev/null | { read -r a; read -r a b c d e; printf %s "$d"; })";
"#
    .replace('\n', " ");
    if ask_sudo {
        script.push_str(concat!(
            // Asks what is allowed instead of trying it: a refusal is logged and mailed on hosts.
            "if sudo -n -l find >/dev/null 2>&1 && sudo -n -l tar >/dev/null 2>&1; ",
            "then p sudo yes; else p sudo no; fi; "
        ));
    }
    script.push_str("exit 0");
    script.into_bytes()
}
