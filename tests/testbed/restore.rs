//! Restores of real hosts: ten kinds of damage, a host made from nothing, a probe that fails.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::fleet::{Fleet, FleetOutput};
use crate::support::testbed::Testbed;

/// Makes what the hosts have none of: attributes, ACLs, capabilities, hard links, holes, names.
const MORE: &str = r#"
set -e
mkdir /home/azureuser/translation-app/kinds; cd /home/azureuser/translation-app/kinds
mkdir -p d/e empty
printf one >one; ln one two; ln one d/three; printf alone >d/e/alone
setfattr -n user.note -v kept one
printf acl >acl; setfacl -m u:clerk:rw acl; chown 4242:4243 acl
setfacl -m u:clerk:rx -m d:u:clerk:rwx d
printf x >capable; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 capable
truncate -s 3M sparse; printf end >>sparse; head -c 300000 /dev/urandom >large
mkfifo pipe; ln -s one link; ln -s /nowhere dangling; ln -s ../kinds up
printf x >set-id; chmod 6755 set-id
printf n >'new
line'; printf d >-rf; printf u >"$(printf 'not\377utf8')"; printf b >'back\slash'
mkdir 'dir
new'; printf y >'dir
new/-x'
l=$(printf %0255d 0); printf l >"$l"; p=deep; for i in 1 2 3 4 5 6 7; do p=$p/$l; done; mkdir -p "$p"; printf d >"$p/f"
chown -h -R azureuser:azureuser d/e dangling one deep
chown clerk:clerk d/e/alone
touch -h -d '1999-12-31 23:59:59.123456789' dangling d/e/alone
touch -d '2001-01-01 00:00:00.000000001' empty d/e d .
"#;

/// Ten kinds of damage and a few more.
const DAMAGE: &str = r#"
set -e
cd /home/azureuser/translation-app
rm -r config/locales; rm README.md 2>/dev/null || rm "$(find . -maxdepth 1 -type f | sort | head -n 1)"
sed -i 's/^MONITORING_[A-Z_]*=.*/MONITORING_X=0/' .env
cd kinds
rm two; ln acl two; rm d/three; printf one >d/three
setfattr -x user.note one; setfacl -b acl; setfacl -b -k d; setfattr -x security.capability capable
chown root:root d/e/alone; touch d/e/alone; chown -R clerk d/e; chmod 0 set-id; chmod 700 d
truncate -s 100 large
rm link; ln -s two link; rm dangling; mkdir dangling; touch dangling/x
rm -r empty; printf file >empty; rm -- -rf; mkdir -- -rf; printf j >-rf/junk
rm pipe; printf p >pipe; rm sparse; printf s >sparse
printf junk >junk; mkdir -p more/a/b; printf j >more/a/b/c; ln one more/one
rm -r 'dir
new' "$(printf 'not\377utf8')" deep
cd /etc/asterisk; echo '; slip' >>pjsip.conf; chmod 666 extensions.conf; rm sip.conf
sed -i 's/^Description=.*/Description=slip/' /etc/systemd/system/model-gateway.service
echo '* * * * * true' | crontab -u azureuser -
rm -r /var/monitoring/audio/*/trace_0001; chown -R root /var/monitoring/audio/*/trace_0002
rm -r /opt/homer-ui/dist; ln -s ../homer-app /opt/homer-ui/dist
"#;

/// What is compared: everything that is captured, and what is beside it.
const PLACES: &str = "/home /opt /etc /var/monitoring /var/spool/cron /usr/local";

/// The sources, services and probes of `dev-vm` that the tests restore.
fn dev_vm() -> Value {
    json!({
        "sources": {
            "app": {
                "directory": "/home/azureuser/translation-app",
                "exclude": [".git/", "node_modules/"],
            },
            "asterisk": { "directory": "/etc/asterisk", "sudo": true },
            "homer": { "directory": "/opt/homer-ui", "sudo": true },
            "units": { "directory": "/etc/systemd/system" },
            "crontabs": { "directory": "/var/spool/cron", "sudo": true },
            "monitoring": {
                "files": "/home/azureuser/translation-app/.env",
                "lines": "^MONITORING_",
            },
            "recordings": { "directory": "/var/monitoring/audio" },
        },
        "services": { "gateway": { "unit": "model-gateway.service", "start": "always", "grace": "10s" } },
        "probes": { "health": { "http": "http://127.0.0.1:4000/health", "within": "30s" } },
    })
}

/// Everything in these places of a host: kind, mode, owner, time, size, target, content, attributes with ACLs,
/// and the first name of its hard-link group.
fn described(testbed: &Testbed, host: &str, places: &str) -> BTreeMap<String, String> {
    let script = format!(
        r#"
        lines() {{ tr '\n\000' '\001\n' | LC_ALL=C sort | LC_ALL=C cat -v; }}
        find {places} -xdev -type d -printf 'is %y %m %u:%g %T@ \t%p\0' | lines
        find {places} -xdev ! -type d ! -type s -printf 'is %y %m %u:%g %T@ %s %l\t%p\0' | lines
        find {places} -xdev ! -type d -links +1 -printf 'inode %i\t%p\0' | lines
        find {places} -xdev -type f -print0 | xargs -0 sha256sum -z | sed -z 's/^\([0-9a-f]*\)  /content \1\t/' | lines
        find {places} -xdev ! -type p ! -type s -print0 | LC_ALL=C sort -z |
        xargs -0 getfattr -hd -m - --absolute-names 2>/dev/null |
        awk '/^# file: / {{ f = substr($0, 9); next }} /=/ {{ print "attribute " $0 "\t" f }}'
        "#
    );
    let mut of: BTreeMap<String, String> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in testbed.as_root(host, &script).lines() {
        let Some((what, path)) = line.split_once('\t') else {
            continue;
        };
        if what.starts_with("inode ") {
            groups
                .entry(what.to_owned())
                .or_default()
                .push(path.to_owned());
        } else {
            let all = of.entry(path.to_owned()).or_default();
            *all += &format!("{what};");
        }
    }
    // A name that is left alone of several is not one of a group.
    for group in groups.into_values().filter(|group| group.len() > 1) {
        for path in &group {
            let all = of.entry(path.clone()).or_default();
            *all += &format!("linked to {}", group[0]);
        }
    }
    assert!(of.len() > 1000 || places != PLACES, "{} entries", of.len());
    of
}

/// What differs between two descriptions.
fn differences(wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>) -> Vec<String> {
    let names = wanted
        .keys()
        .chain(found.keys().filter(|name| !wanted.contains_key(*name)));
    names
        .filter(|name| wanted.get(*name) != found.get(*name))
        .map(|name| format!("{name}: {:?}, not {:?}", found.get(name), wanted.get(name)))
        .collect()
}

/// Brings hosts back to how `up` made them, however the test ends.
struct Reset<'a>(&'a Testbed, &'a [&'a str]);

impl Drop for Reset<'_> {
    fn drop(&mut self) {
        for host in self.1 {
            self.0.tool(&["reset", host]);
        }
    }
}

fn testbed() -> Option<Testbed> {
    let testbed = Testbed::find_alone()?;
    (testbed.has("systemd") && testbed.has("own-root") && testbed.has("postgres"))
        .then_some(testbed)
}

fn restore(fleet: &Fleet, options: &[&str]) -> FleetOutput {
    let arguments = ["--json", "restore", "dev-vm@latest"];
    fleet.run(&[&arguments, options].concat())
}

fn outcome(output: FleetOutput, status: i32) -> Value {
    let output = output.exits(status);
    let last = output.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).expect("a summary")
}

/// Nothing of fleet is left on the host.
fn assert_nothing_left(testbed: &Testbed, host: &str) {
    let left = testbed.as_root(
        host,
        "find / -xdev -name '.fleet-restore*' -not -path '/proc/*'; ls -A /var/lib/fleet/restore 2>/dev/null; :",
    );
    assert_eq!(left, "");
}

/// A dump of the database, without what only tells the version.
fn dump(testbed: &Testbed, host: &str, options: &str) -> Vec<String> {
    let script = format!("runuser -u postgres -- pg_dump {options} monitoring_v2");
    let text = testbed.as_root(host, &script);
    let is_told = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("--")
            && !line.starts_with('\\')
            && !line.starts_with("SET ")
    };
    text.lines().filter(is_told).map(str::to_owned).collect()
}

#[test]
fn a_damaged_host_is_restored_whole_and_a_probe_that_fails_leaves_it_as_it_was() {
    let Some(testbed) = testbed() else { return };
    let _reset = Reset(&testbed, &["dev-vm"]);
    testbed.as_root("dev-vm", MORE);
    let fleet = testbed.fleet_of("dev-vm", &dev_vm());
    assert_eq!(fleet.checkpoint(&["dev-vm"]).exits(0).state(), "complete");
    let wanted = described(&testbed, "dev-vm", PLACES);
    testbed.as_root("dev-vm", DAMAGE);
    let damaged = described(&testbed, "dev-vm", PLACES);
    assert!(differences(&wanted, &damaged).len() > 100);

    // Everything is put in place, and comes back when the host turns out not to work.
    let mut probed = dev_vm();
    probed["probes"]["never"] = json!({ "http": "http://127.0.0.1:4001/", "within": "2s" });
    fleet.write_inventory(&testbed.inventory_of(&[("dev-vm", &probed)]));
    let ended = outcome(restore(&fleet, &["--delete", "--confirm", "dev-vm"]), 1);
    assert_eq!(ended["outcome"], "rolled-back", "{ended}");
    let now = described(&testbed, "dev-vm", PLACES);
    assert_eq!(differences(&damaged, &now), Vec::<String>::new());
    assert_nothing_left(&testbed, "dev-vm");
    let active = testbed.as_root("dev-vm", "systemctl is-active model-gateway asterisk || :");
    assert_eq!(active, "active\nactive\n");

    fleet.write_inventory(&testbed.inventory_of(&[("dev-vm", &dev_vm())]));
    let ended = outcome(restore(&fleet, &["--delete", "--confirm", "dev-vm"]), 0);
    assert_eq!(ended["outcome"], "restored", "{ended}");
    let now = described(&testbed, "dev-vm", PLACES);
    assert_eq!(differences(&wanted, &now), Vec::<String>::new());
    assert_nothing_left(&testbed, "dev-vm");
    let sealed = fleet
        .listed()
        .into_iter()
        .find(|one| one["id"] == ended["sealed"]);
    let sealed = sealed.expect("listed");
    assert_eq!(sealed["state"], "complete", "{sealed}");
    fleet.assert_verified();
}

#[test]
fn a_database_is_mended_and_a_new_host_is_made_of_the_same_checkpoint() {
    let Some(testbed) = testbed() else { return };
    let _reset = Reset(&testbed, &["dev-vm", "new-vm"]);
    let mut host = dev_vm();
    host["services"] = json!({});
    host["probes"] = json!({
        "rows": { "postgres": "monitoring_v2", "run_as": "postgres", "within": "20s" },
    });
    host["sources"]["database"] = json!({
        "postgres": "monitoring_v2",
        "dump": "full",
        "globals": true,
        "run_as": "postgres",
    });
    let fleet = testbed.fleet_of_all(&[("dev-vm", &host), ("new-vm", &json!({}))]);
    assert_eq!(fleet.checkpoint(&["dev-vm"]).exits(0).state(), "complete");
    let wanted = dump(&testbed, "dev-vm", "");
    testbed.as_root(
        "dev-vm",
        "runuser -u postgres -- psql -qd monitoring_v2 -c 'DROP TABLE knob_events CASCADE; CREATE TABLE junk (n int)'",
    );
    assert_ne!(dump(&testbed, "dev-vm", ""), wanted);
    let refused = restore(&fleet, &["--confirm", "dev-vm"]).exits(1);
    assert!(
        refused.stderr.contains("--replace-database"),
        "{}",
        refused.stderr
    );
    let options = ["--replace-database", "--confirm", "dev-vm"];
    let ended = outcome(restore(&fleet, &options), 0);
    assert_eq!(ended["outcome"], "restored", "{ended}");
    assert_eq!(dump(&testbed, "dev-vm", ""), wanted);

    // The other has a newer PostgreSQL, and nothing of it.
    let options = ["--to", "new-vm", "--start", "never", "--confirm", "new-vm"];
    let ended = outcome(restore(&fleet, &options), 0);
    assert_eq!(ended["outcome"], "restored", "{ended}");
    let rows = "--data-only --inserts --no-owner";
    assert_eq!(
        dump(&testbed, "new-vm", rows),
        dump(&testbed, "dev-vm", rows)
    );
    let places = "/home/azureuser/translation-app /etc/asterisk /opt/homer-ui /var/monitoring/audio \
                  /var/spool/cron/crontabs/azureuser";
    let mut there = described(&testbed, "dev-vm", places);
    let mut here = described(&testbed, "new-vm", places);
    for tree in [&mut there, &mut here] {
        tree.retain(|path, _| {
            let mut names = path.split('/');
            !names.any(|name| matches!(name, ".git" | "node_modules"))
        });
    }
    assert_eq!(differences(&there, &here), Vec::<String>::new());
    for host in ["dev-vm", "new-vm"] {
        assert_nothing_left(&testbed, host);
    }
}

/// Makes a repository with the one package `fleet-hello`, and forgets the other repositories.
const REPOSITORY: &str = r#"
set -e
mkdir -p /srv/repo/pack/DEBIAN /srv/repo/pack/usr/share/fleet-hello
printf 'Package: fleet-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody\nDescription: a test\n' \
  >/srv/repo/pack/DEBIAN/control
echo hello >/srv/repo/pack/usr/share/fleet-hello/greeting
dpkg-deb -b /srv/repo/pack /srv/repo/fleet-hello.deb >/dev/null
cd /srv/repo
{ cat pack/DEBIAN/control
  printf 'Filename: ./fleet-hello.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s fleet-hello.deb)" \
    "$(sha256sum fleet-hello.deb | cut -d' ' -f1)"; } >Packages
rm -rf pack /etc/apt/sources.list /etc/apt/sources.list.d
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
"#;

#[test]
fn what_a_fresh_host_lacks_is_made_first_where_the_inventory_declares_it() {
    let Some(testbed) = testbed() else { return };
    let _reset = Reset(&testbed, &["new-vm"]);
    let scripts = "/opt/acme-infra/api-gateway/scripts";
    let host = json!({
        "sources": { "scripts": { "directory": scripts, "sudo": true } },
        "use": ["fresh"],
    });
    let inventory = |package: &str| {
        let all = testbed.inventory_of(&[("dev-vm", &host), ("new-vm", &json!({}))]);
        let mut all: Value = serde_json::from_str(&all).expect("JSON");
        all["profiles"] = json!({ "fresh": {
            "packages": [package],
            "users": [{ "name": "gateway", "groups": ["fleet-ops"], "home": "/srv/gateway" }],
        } });
        all.to_string()
    };
    let fleet = testbed.fleet_of_all(&[("dev-vm", &host), ("new-vm", &json!({}))]);
    fleet.write_inventory(&inventory("fleet-none"));
    assert_eq!(fleet.checkpoint(&["dev-vm"]).exits(0).state(), "complete");
    testbed.as_root("new-vm", REPOSITORY);
    let to = ["--to", "new-vm", "--bootstrap"];
    let execute = |fleet: &Fleet| restore(fleet, &[&to[..], &["--confirm", "new-vm"]].concat());

    // A package that nobody has: nothing is put in place.
    let failed = outcome(execute(&fleet), 1);
    assert_eq!(failed["outcome"], "failed", "{failed}");
    let message = failed["error"]["message"].as_str().expect("text");
    assert!(message.contains("fleet-none"), "{message}");
    testbed.as_root("new-vm", &format!("[ ! -e {scripts} ]"));

    fleet.write_inventory(&inventory("fleet-hello"));
    let dry = restore(&fleet, &[&to[..], &["--dry-run"]].concat()).exits(0);
    let dry: Value = serde_json::from_str(&dry.stdout).expect("a document");
    assert_eq!(dry["bootstrap"]["packages"][0]["name"], "fleet-hello");
    assert_eq!(dry["bootstrap"]["users"][0]["name"], "gateway");
    let without = restore(&fleet, &["--to", "new-vm", "--dry-run"]).exits(0);
    let without: Value = serde_json::from_str(&without.stdout).expect("a document");
    assert_ne!(dry["plan"], without["plan"]);
    let ended = outcome(execute(&fleet), 0);
    assert_eq!(ended["outcome"], "restored", "{ended}");
    let made = testbed.as_root(
        "new-vm",
        &format!(
            "cat /usr/share/fleet-hello/greeting; id -nG gateway; getent passwd gateway | cut -d: -f6
             stat -c %U:%G {scripts}"
        ),
    );
    assert_eq!(
        made,
        "hello\ngateway fleet-ops\n/srv/gateway\ngateway:gateway\n"
    );
    // Again: nothing is made, nothing differs.
    assert_eq!(outcome(execute(&fleet), 0)["outcome"], "unchanged");
    assert_nothing_left(&testbed, "new-vm");
}
