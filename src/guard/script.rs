//! The scripts that hosts run, and how a command gets to a host: a constant command line, and behind it
//! on standard input the script, the request and its data.
//!
//! The command line carries no data, so neither a login shell's quoting nor a limit on its length
//! matters. Values of a request are encoded and are never part of the script.

use std::sync::OnceLock;

use super::rendered::Sudo;
use crate::name::AccountName;

/// A nonce has so many hexadecimal digits.
const NONCE_DIGITS: usize = 32;

/// Stands for a line end in a script that is sent.
const LINE_END: &str = "\u{1}";

/// The version of the request line.
const VERSION: u32 = 1;

/// The script that a restore leaves on the host for people who have to end it without fleet. It is never run
/// by fleet.
const FINISH: &str = concat!(
    include_str!("scripts/transaction/usage.sh"),
    "\n",
    include_str!("scripts/transaction/own.sh"),
    include_str!("scripts/transaction/claim.sh"),
    include_str!("scripts/transaction/slow.sh"),
    include_str!("scripts/transaction/standing.sh"),
    include_str!("scripts/transaction/swap.sh"),
    include_str!("scripts/transaction/over.sh"),
    include_str!("scripts/transaction/people.sh"),
);

/// What a host is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Probe,
    Scan,
    Files,
    Digest,
    Contents,
    Facts,
    Fetch,
    Whole,
    Run,
    Dump,
    Answers,
    Accounts,
    Packages,
    Ground,
    Restores,
    RestoreTools,
    Services,
    Service,
    Databases,
    Database,
    Bootstrap,
    Begin,
    Stage,
    Staged,
    Prepare,
    Forward,
    Back,
    Commit,
    Done,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Scan => "scan",
            Self::Files => "files",
            Self::Digest => "digest",
            Self::Contents => "contents",
            Self::Facts => "facts",
            Self::Fetch => "fetch",
            Self::Whole => "whole",
            Self::Run => "run",
            Self::Dump => "dump",
            Self::Answers => "answers",
            Self::Accounts => "accounts",
            Self::Packages => "packages",
            Self::Ground => "ground",
            Self::Restores => "restores",
            Self::RestoreTools => "offers",
            Self::Services => "services",
            Self::Service => "service",
            Self::Databases => "databases",
            Self::Database => "database",
            Self::Bootstrap => "bootstrap",
            Self::Begin => "begin",
            Self::Stage => "stage",
            Self::Staged => "staged",
            Self::Prepare => "prepare",
            Self::Forward => "forward",
            Self::Back => "back",
            Self::Commit => "commit",
            Self::Done => "finish",
        }
    }

    /// The script that serves it, behind the line that loads it.
    ///
    /// Each is encoded once: it never depends on what is asked.
    pub(super) fn script(self) -> &'static [u8] {
        macro_rules! script {
            ($($file:literal),+) => {{
                static SCRIPT: OnceLock<Vec<u8>> = OnceLock::new();
                SCRIPT.get_or_init(|| {
                    with_loader(&[
                        include_str!("scripts/serve.sh"),
                        $(include_str!(concat!("scripts/", $file)),)+
                        include_str!("scripts/start.sh"),
                    ])
                })
            }};
        }
        match self {
            Self::Probe => script!("probe.sh"),
            Self::Scan | Self::Files => script!("scan.sh"),
            Self::Digest => script!("digest.sh"),
            Self::Contents => script!("contents.sh"),
            Self::Facts => script!("probe.sh", "facts.sh"),
            Self::Fetch => script!("fetch.sh"),
            Self::Whole => script!("whole.sh"),
            Self::Run => script!("run.sh"),
            Self::Dump => script!("postgres/tools.sh", "dump.sh"),
            Self::Answers => script!("postgres/tools.sh", "select.sh"),
            Self::Accounts => script!("accounts/numbers.sh"),
            Self::Packages => script!("accounts/packages.sh"),
            Self::Bootstrap => script!(
                "accounts/numbers.sh",
                "accounts/packages.sh",
                "accounts/bootstrap.sh"
            ),
            Self::Ground => script!("ground.sh"),
            Self::Services => script!("systemctl.sh", "services.sh"),
            Self::Service => script!("systemctl.sh", "service.sh"),
            Self::Databases => script!(
                "postgres/tools.sh",
                "postgres/psql.sh",
                "postgres/databases.sh"
            ),
            Self::Database => script!(
                "postgres/tools.sh",
                "postgres/psql.sh",
                "postgres/database.sh"
            ),
            Self::Restores => script!(
                "transaction/own.sh",
                "transaction/claim.sh",
                "transaction/restores.sh"
            ),
            Self::RestoreTools => script!("transaction/offers.sh"),
            Self::Begin => begin_script(),
            Self::Stage
            | Self::Staged
            | Self::Prepare
            | Self::Forward
            | Self::Back
            | Self::Commit
            | Self::Done => {
                script!(
                    "transaction/own.sh",
                    "transaction/claim.sh",
                    "transaction/slow.sh",
                    "transaction/standing.sh",
                    "transaction/swap.sh",
                    "transaction/over.sh",
                    "transaction/request.sh",
                    "transaction/stage.sh"
                )
            }
        }
    }
}

/// The script of [`Verb::Begin`], which leaves one for people on the host.
fn begin_script() -> &'static [u8] {
    static SCRIPT: OnceLock<Vec<u8>> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        with_loader(&[
            include_str!("scripts/serve.sh"),
            include_str!("scripts/transaction/own.sh"),
            include_str!("scripts/transaction/claim.sh"),
            include_str!("scripts/transaction/over.sh"),
            include_str!("scripts/transaction/request.sh"),
            include_str!("scripts/transaction/slow.sh"),
            include_str!("scripts/transaction/tools.sh"),
            include_str!("scripts/transaction/begin.sh"),
            &assignment("finish_script", FINISH),
            include_str!("scripts/start.sh"),
        ])
    })
}

/// A request: a verb, and values that its script decodes.
#[derive(Debug)]
pub(super) struct Request {
    verb: Verb,
    line: Vec<u8>,
}

impl Request {
    pub(super) fn new(verb: Verb) -> Self {
        Self {
            verb,
            line: format!("fleet {VERSION} {}", verb.name()).into_bytes(),
        }
    }

    /// Appends `key=value`, the value encoded.
    pub(super) fn with(&mut self, key: &str, value: impl AsRef<[u8]>) {
        self.line.push(b' ');
        self.line.extend_from_slice(key.as_bytes());
        self.line.push(b'=');
        for &byte in value.as_ref() {
            encode(byte, &mut self.line);
        }
    }

    /// The word that names the verb.
    pub(super) fn verb_name(&self) -> &'static str {
        self.verb.name()
    }

    /// How long the request line is.
    pub(super) fn length_bytes(&self) -> usize {
        self.line.len()
    }

    /// Everything that comes before the data: the line of the nonce, the script and the request.
    pub(super) fn preamble(&self, nonce: &str) -> Vec<u8> {
        let script = self.verb.script();
        let mut text = Vec::with_capacity(nonce.len() + script.len() + self.line.len() + 3);
        for line in [nonce.as_bytes(), b"\n", script, &self.line, b"\n"] {
            text.extend_from_slice(line);
        }
        text
    }
}

/// The only command line that is ever executed on a host.
///
/// Its shell clears the environment first (`exec` can't be replaced by an exported function), prints
/// the nonce, skips standard input up to the line that is the nonce (a password that sudo did not ask
/// for among it), reads one line, which loads the script, and evaluates it. There is no `!` in it for csh, and nothing that
/// single quotes of fish would change.
pub(super) fn command_line(nonce: &str, sudo: Sudo, account: Option<&AccountName>) -> Vec<u8> {
    let account = account.map_or_else(String::new, |account| format!("-H -u {account} "));
    let sudo = match sudo {
        Sudo::No | Sudo::Tools => String::new(),
        Sudo::NonInteractive => format!("sudo -n {account}"),
        Sudo::Password => format!("sudo -S -k -p '' {account}"),
    };
    format!(
        "exec {sudo}sh -c 'exec env -i PATH=\"${{PATH:-/usr/bin:/bin}}\" HOME=\"${{HOME:-/}}\" \
         USER=\"$USER\" LOGNAME=\"$LOGNAME\" sh -c \"echo {nonce}; while IFS= read -r l; do \
         case \\$l in {nonce}) break;; esac; done; IFS= read -r s; eval \\\"\\$s\\\"\"'"
    )
    .into_bytes()
}

/// A script behind the line that loads it; comments and indentation are left out.
///
/// The builtin `read` takes a system call for each byte, so what is longer than a line is read by `dd`,
/// which never asks for more bytes than the script has left: what follows stays in the input. A host
/// without `dd` reads the line as one. The line begins with `z=` and the length of the script in bytes,
/// for whoever serves the request with a script of its own and has to skip this one.
///
/// A start-up file may have put another shell in the place of the one that the command line starts. It
/// reads all this as commands of its own, in its own environment, and must not run any of it: the first
/// line runs only where the command line has left the nonce in `$l`, and the script is a comment until
/// then, one line with a byte 1 between its lines.
fn with_loader(files: &[&str]) -> Vec<u8> {
    let lines = files.iter().flat_map(|file| file.lines());
    let lines = lines.map(str::trim_start);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let script = format!("#{}\n", lines.join(LINE_END));
    let nonce = "?".repeat(NONCE_DIGITS);
    let mut text = format!(
        "z={} s=; case $l in {nonce}) ;; *) exit 1;; esac; set -f; \
         while [ ${{#s}} -lt $z ]; do if command -v dd >/dev/null; then \
         r=$(dd bs=$((z-${{#s}})) count=1 2>/dev/null; echo x) r=${{r%x}}; else IFS= read -r r && r=\"$r \"; fi; \
         case $r in '') exit 1;; esac; s=$s$r; done; \
         n=${{IFS#??}} IFS='{LINE_END}'; set -- ${{s#?}}; IFS=${{n%\"${{n#?}}\"}}; s=\"$*\"; unset IFS; eval \"$s\"\n",
        script.len()
    )
    .into_bytes();
    text.extend_from_slice(script.as_bytes());
    text
}

/// A line that sets the variable `name` to `text`, whose comments and indentation stay.
fn assignment(name: &str, text: &str) -> String {
    let quoted = text.replace('\'', r"'\''").replace('\n', LINE_END);
    format!("{name}='{quoted}'\n")
}

/// Printable ASCII as it is, everything else as a backslash, 0 and three octal digits.
fn encode(byte: u8, into: &mut Vec<u8>) {
    match byte {
        b'!'..=b'~' if byte != b'\\' => into.push(byte),
        _ => into.extend_from_slice(format!("\\0{byte:03o}").as_bytes()),
    }
}
