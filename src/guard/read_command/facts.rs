//! How a host is asked what it is like: disks, versions, git work trees, processes.
//!
//! Nothing here writes, and nothing here waits for long: every tool that could hang runs under a limit
//! where the host has `timeout`, and what it did not tell by then is left out. The account that logged
//! in asks, never the superuser: a work tree's configuration is not run, but it need not be tried with
//! more rights than its readers have.

use super::super::shell::quote;
use crate::name::RemotePath;

/// More directories than this are not looked at.
const ROOTS_MAX: usize = 16;

/// The kernel cuts the name of a process here.
const NAME_MAX_BYTES: usize = 15;

/// What is asked. `FLEET_LOGIN` in its environment is the process that fleet's connection is.
///
/// A line on standard error tells every second that it goes on, for a tool that hangs is silent.
pub(super) fn facts(roots: &[RemotePath]) -> Vec<u8> {
    let roots: Vec<&[u8]> = roots
        .iter()
        .map(RemotePath::as_bytes)
        // One line each, and all that lies beneath `/` is no answer.
        .filter(|root| *root != b"/" && !root.contains(&b'\n'))
        .take(ROOTS_MAX)
        .collect();
    let mut words = Vec::new();
    for root in &roots {
        words.push(b' ');
        words.extend(quote(root));
    }
    let mut script = b"set --".to_vec();
    script.extend_from_slice(&words);
    script.extend_from_slice(b"; ASK=");
    script.extend(quote(&lines(ASK)));
    script.extend_from_slice(&lines(BEGIN));
    if !roots.is_empty() {
        script.extend_from_slice(b" lim 4 sh -c ");
        script.extend(quote(&lines(GIT)));
        // What git tells waits in the pipe meanwhile.
        script.extend_from_slice(b" sh \"$@\" | { lim 2 sh -c ");
        let names = names(&roots);
        script.extend(quote(&lines(&PROCESSES.replace("NAMES", &names))));
        script.extend_from_slice(b" sh \"$@\"; told \"$@\"; cat; };");
    } else {
        script.extend_from_slice(b" told;");
    }
    script.extend_from_slice(b" kill $b; exit 0");
    script
}

/// On one line, for csh takes no others between quotes.
fn lines(script: &str) -> Vec<u8> {
    script.replace('\n', " ").into_bytes()
}

/// Programs that are named as a directory is: `/etc/asterisk` belongs to `asterisk`.
fn names(roots: &[&[u8]]) -> String {
    let mut names: Vec<&str> = roots
        .iter()
        .filter_map(|root| root.rsplit(|&b| b == b'/').next())
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            name.chars().all(plain) && !name.starts_with('-')
        })
        .map(|name| &name[..name.len().min(NAME_MAX_BYTES)])
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

/// What is quick, and what the rest is made of.
///
/// A program is asked for its version only if it is what its name says: a script in its place (a
/// wrapper, a shim of a version manager, a snap) may write where it likes. npm writes a log whenever it
/// is run, so its version is read from its own files.
///
/// The shell does what it can by itself: on a small host, starting programs is most of what a
/// checkpoint costs.
const BEGIN: &str = r#";
cd /; exec 3<&-; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin";
{ while sleep 1 </dev/null >/dev/null 2>&1; do echo >&2; done & }; b=$!; exec 2>/dev/null;
t=; if timeout -k 1 1 true; then t="timeout -k 1"; elif timeout 1 true; then t=timeout; fi;
lim() { n=$1; shift; ${t:+$t $n} "$@"; };
progs=; files=; count=0;
v() { p=$2; case $p in /*) [ -x "$p" ];; *) p=$(command -v "$p");; esac || return 0;
f=$p; [ ! -L "$p" ] || f=$(readlink -f "$p") || return 0;
case $p$f in *[!A-Za-z0-9._/+-]*) return 0;; esac;
case ${f##*/} in "$1"*) progs="$progs $1=$p"; files="$files $f"; count=$((count+2));; esac; };
versions() { v node node; v python3 python3; v asterisk asterisk;
for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/local/pgsql/bin; do v postgres "$d/postgres"; v psql "$d/psql"; done;
v nginx nginx; v docker docker; [ -n "$progs" ] || return 0;
x=$(head -qc 2 $files); [ ${#x} = $count ] || return 0;
y=; for a in $progs; do case $x in [#]!*) ;; *) y="$y $a";; esac; x=${x#??}; done;
env -i PATH="$PATH" HOME=/dev/null LC_ALL=C sh -c "$ASK" sh "$t" $y </dev/null; };
pm() { f=$(readlink -f "$(command -v npm)"); case $f in */bin/npm-cli.js)
lim 2 sed -n "/^ *\"version\": *\"/{s/^[^:]*: *\"\([^\"]*\)\".*/version=npm \1/p;q;}" "${f%/bin/npm-cli.js}/package.json";;
esac; };
disks() { lim 2 df -Pk "$@" | { read -r x; while read -r x; do printf "disk=%s\n" "$x"; done; }; };
told() { versions & pm & disks / & [ $# = 0 ] || disks "$@" & wait; };
[ ! -r /proc/uptime ] || { read -r u x </proc/uptime; read -r i </proc/sys/kernel/random/boot_id;
printf "uptime=%s\nboot_id=%s\n" "$u" "$i"; };"#;

/// Asks each of `NAME=PROGRAM` for its version, all at once; the first line is the answer.
const ASK: &str = r#"
t=$1; shift; for a; do { n=${a%%=*}; o=--version; case $n in asterisk) o=-V;; nginx) o=-v; exec 2>&1;; esac;
${t:+$t 2} "${a#*=}" $o | { IFS= read -r x && printf "version=%s %.200s\n" "$n" "$x"; }; } & done; wait"#;

/// What ran from the directories, by command line, working directory or name. What is younger than the
/// connection is fleet's own.
const PROCESSES: &str = r#"
[ -r /proc/self/stat ] || exit 0;
st() { set -- ${1##*") "}; b=${20}; }; l=$(printf "\nx"); l=${l%x};
o=; s=; if read -r s </proc/$FLEET_LOGIN/stat; then printf "login=%s\n" "$s"; st "$s"; o=$b; fi;
g=$(printf "%s\n" "$@");
{ grep -lF -e "$g" /proc/[0-9]*/cmdline; printf "%s\n" NAMES | grep -lxF -f - /proc/[0-9]*/comm;
ls -ldn /proc/[0-9]*/cwd | grep -F -e "$g"; } |
{ c=0; seen=" "; uids=" "; while read -r p; do p=${p#*/proc/}; p=${p%%/*};
case $p in *[!0-9]*|"") continue;; esac; case $seen in *" $p "*) continue;; esac; seen="$seen$p ";
s=; read -r s </proc/$p/stat || continue; st "$s"; [ -z "$o" ] || [ "$b" -le "$o" ] || continue;
[ "$c" -lt 64 ] || continue; c=$((c+1));
u=; while read -r k x r; do case $k in Uid:) u=$x; break;; esac; done </proc/$p/status;
case $uids in *" $u "*) ;; *) uids="$uids$u ";; esac;
w=$(readlink /proc/$p/cwd); case $w in *"$l"*) w=;; esac;
a=$(tr "\0\n" "\037 " </proc/$p/cmdline);
printf "stat=%s\nuid=%s\ncwd=%s\nargv=%.4096s\n" "$s" "$u" "$w" "$a"; done;
[ "$c" = 0 ] || { h=$(getconf CLK_TCK) && printf "hz=%s\n" "$h"; };
while IFS=: read -r n x u r; do case $uids in *" $u "*) printf "user=%s %s\n" "$u" "$n";; esac; done </etc/passwd; };"#;

/// The work trees that the directories are, lie in, or have right beneath them.
///
/// Named outright (`GIT_DIR`) they are looked at whoever owns them, which in many versions no option on
/// the command line could allow. In return nothing that their configuration names is run: no file
/// system monitor, no hook, no filter (`git lfs` stores what it filters), no `gpg`, nothing that fetches
/// what a partial clone lacks. The index is not refreshed: a git that does not know
/// `--no-optional-locks` refuses it, and is not asked. A split index is not read, for git touches its
/// shared half at every reading. The account's own configuration is not read, for it may ask for
/// traces to be written.
const GIT: &str = r#"
command -v git >/dev/null || exit 0; l=$(printf "\nx"); l=${l%x}; seen=$l; c=0;
g() { env -i PATH="$PATH" LC_ALL=C HOME=/dev/null XDG_CONFIG_HOME=/dev/null GIT_CONFIG_NOSYSTEM=1
GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_NO_LAZY_FETCH=1 GIT_ALLOW_PROTOCOL=none
GIT_TERMINAL_PROMPT=0 GIT_DIR="$r/.git" GIT_WORK_TREE="$r" git --no-optional-locks --no-pager
-c core.fsmonitor= -c core.hooksPath=/dev/null -c log.showSignature=false -c core.quotePath=false
-c status.renames=false -c diff.renames=false "$@" </dev/null; };
repo() { case $1 in *"$l"*) return;; esac; case $seen in *"$l$1$l"*) return;; esac; seen=$seen$1$l;
[ "$c" -lt 8 ] || return; c=$((c+1)); r=$1;
w=$(g rev-parse --absolute-git-dir) || return;
printf "git=%s\n" "$r";
if x=$(g symbolic-ref -q --short HEAD); then printf "branch=%s\n" "$x";
else printf "detached=%s\n" "$(g branch --no-color --no-column | sed -n "s/^[*] (\(.*\))\$/\1/p")"; fi;
g log -1 --format="commit=%H %ct %s" | head -n 1 | cut -b 1-400;
for x in "$w"/sharedindex.*; do [ ! -e "$x" ] || return; done;
f=$(g config --name-only --get-regexp "^filter[.]"); case $? in 0|1) ;; *) return;; esac;
case $f in *[!A-Za-z0-9._"$l"-]*) return;; esac;
set --; for x in $f; do case $x in *.clean|*.smudge|*.process) set -- "$@" -c "$x=";;
*.required) set -- "$@" -c "$x=false";; esac; done;
{ g "$@" status --porcelain --untracked-files=normal --ignore-submodules=all; echo "=$?"; } |
sed -n -e "\$!{" -e "1,50s/^/change=/p" -e "}" -e "\$s/^=/status=/p" -e "\$=" | cut -b 1-400; };
for a; do d=$a; while [ -n "$d" ] && [ ! -e "$d/.git" ]; do d=${d%/*}; done; [ -z "$d" ] || repo "$d";
for e in "$a"/*/.git; do [ ! -e "$e" ] || repo "${e%/.git}"; done; done;"#;
