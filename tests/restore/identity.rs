//! A writable entry of the inventory that leads to a protected machine: refused before anything is written,
//! whatever tells it.

use std::fs;
use std::sync::{Arc, Mutex};

use fleet::evidence::{self, Gathered, gather};
use fleet::fault::{Code, ExitClass, Fault as _, chain};
use fleet::guard::identity::{Mark, Origin};
use fleet::guard::{Operation, permit};
use fleet::inventory::{Access, Env, Host, Inventory, Place, ProdWords};
use fleet::ssh::{Connector, Error, Options, Sent, WriteSession};
use fleet::store::Store;
use serde_json::json;

use crate::support::host_fixture::{HostFixture, set_machine_id};
use crate::support::proxy::{Faults, Proxy};
use crate::support::sshd::{Sshd, free_port, inventory, keygen, public};

/// A real server that should be written as `dev-vm`, and a store.
struct Bed {
    fixture: HostFixture,
    store: Store,
    /// The verbs of what was sent to any host, and of requests.
    sent: Arc<Mutex<Vec<String>>>,
}

impl Bed {
    fn start() -> Option<Self> {
        Some(Self::of(HostFixture::start()?))
    }

    fn of(fixture: HostFixture) -> Self {
        fs::write(fixture.tree.join("file"), "content").expect("a file");
        let store = Store::open_or_create(fixture.fleet.store()).expect("a store");
        Self {
            fixture,
            store,
            sent: Arc::default(),
        }
    }

    fn sshd(&self) -> &Sshd {
        &self.fixture.sshd
    }

    fn connector(&self) -> Connector {
        let sent = Arc::clone(&self.sent);
        let options = Options {
            recorder: Some(Arc::new(move |what: &Sent<'_>| {
                let text = match what {
                    Sent::Command(command) => {
                        format!("{} writes={}", command.verb, command.writes)
                    }
                    Sent::Connect { request, .. } => request.to_string(),
                    Sent::Request { request, .. } => request.to_string(),
                };
                sent.lock().expect("no panic").push(text);
            })),
            ..Options::default()
        };
        Connector::new(self.sshd().ssh_config(), options)
    }

    /// Takes a checkpoint of this server as the protected host `prod-vm`.
    fn checkpoint_as_prod(&self) -> String {
        let mut prod = self.fixture.host(self.fixture.app());
        prod["env"] = json!("prod");
        prod["access"] = json!("read-only");
        self.fixture.describe_all(json!({ "prod-vm": prod }));
        self.fixture.fleet.checkpoint(&["prod-vm"]).exits(0).id()
    }

    async fn gather(&self, inventory: &Inventory) -> Result<Gathered, evidence::Error> {
        gather(inventory, &self.store, &self.connector()).await
    }

    /// Opens a session that writes on the first host of `hosts`, and what the server has logged meanwhile.
    async fn open(&self, hosts: Vec<Host>) -> (Result<WriteSession, Error>, String) {
        let inventory = inventory(hosts);
        let target = &inventory.hosts[0];
        let gathered = self.gather(&inventory).await.expect("evidence");
        let permit = permit(&inventory, target, Operation::Restore).expect("a writable entry");
        let before = self.sshd().log().len();
        let session =
            WriteSession::open(permit, &gathered.evidence, &self.connector(), &inventory).await;
        (session, self.sshd().log()[before..].to_owned())
    }

    /// Opens such a session, which is refused before authentication, by the mark and origin returned.
    async fn refused(&self, hosts: Vec<Host>) -> (Mark, Origin) {
        let (session, log) = self.open(hosts).await;
        let (mark, origin) = protected(session);
        assert!(!log.contains("Accepted"), "{log}");
        assert!(
            !log.contains("Postponed") && !log.contains("Failed"),
            "{log}"
        );
        assert_eq!(*self.sent.lock().expect("no panic"), [""; 0]);
        (mark, origin)
    }
}

/// The refusal of `dev-vm` as `prod-vm`.
fn protected(session: Result<WriteSession, Error>) -> (Mark, Origin) {
    let error = session.expect_err("a protected machine");
    assert_eq!(error.exit_class(), ExitClass::Refused, "{error}");
    assert_eq!(error.code(), Code::ProtectedMachine);
    assert!(error.hint().is_some_and(|hint| hint.contains("dev-vm")));
    let text = error.to_string();
    assert!(
        text.starts_with("dev-vm is the protected machine prod-vm: both have "),
        "{text}"
    );
    let Error::Protected(refusal) = error else {
        unreachable!("{error:?}");
    };
    (refusal.piece.mark, refusal.piece.origin)
}

fn print(line: &str) -> Mark {
    let key = russh::keys::PublicKey::from_openssh(line).expect("a key");
    Mark::HostKey(fleet::ssh::host_keys::known_hosts::fingerprint(&key))
}

/// A protected host that is somewhere else for all that the inventory says.
fn prod(address: &str, port: u16) -> Host {
    Host {
        env: Some((
            Env::parse("prod", &ProdWords::default()).expect("a word"),
            Place::default(),
        )),
        access: Some((Access::ReadOnly, Place::default())),
        address: Some(address.to_owned()),
        port: Some(port),
        ..crate::support::sshd::host("prod-vm")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_only_a_record_knows_is_refused_before_authentication() {
    let Some(bed) = Bed::start() else { return };
    let id = bed.checkpoint_as_prod();
    // The inventory has lost the protected host.
    let (mark, origin) = bed.refused(vec![bed.sshd().host("dev-vm")]).await;
    assert_eq!(mark, print(&bed.sshd().host_public_key()));
    assert_eq!(origin, Origin::Record(id.parse().expect("a checkpoint")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_whose_env_was_changed_by_hand_is_refused() {
    let Some(bed) = Bed::start() else { return };
    let id = bed.checkpoint_as_prod();
    let (session, log) = bed.open(vec![bed.sshd().host("prod-vm")]).await;
    let error = session.expect_err("protected before");
    assert_eq!(
        error.to_string(),
        format!(
            "prod-vm was protected before its entry in the inventory was changed: it has {} (recorded in {id})",
            print(&bed.sshd().host_public_key())
        )
    );
    assert_eq!(error.exit_class(), ExitClass::Refused);
    assert!(!log.contains("Accepted"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clone_with_keys_of_its_own_is_refused_by_its_machine_id() {
    let machine = || HostFixture::with_tools(|tools| set_machine_id(tools, 7));
    let (Some(original), Some(clone)) = (machine(), machine()) else {
        return;
    };
    let id = Bed::of(original).into_recorded();
    let (original, id) = id;
    let bed = Bed {
        fixture: clone,
        store: original.store.clone(),
        sent: Arc::default(),
    };
    let (session, log) = bed.open(vec![bed.sshd().host("dev-vm")]).await;
    let (mark, origin) = protected(session);
    assert_eq!(mark, Mark::MachineId(format!("{:032}", 7)));
    assert_eq!(origin, Origin::Record(id.parse().expect("a checkpoint")));
    // It had to be logged in to for that, and was asked for nothing else.
    assert!(log.contains("Accepted"), "{log}");
    assert_eq!(*bed.sent.lock().expect("no panic"), ["probe writes=false"]);
    bed.sshd().wait_until_idle();
    // With a machine-id of its own it is another machine.
    set_machine_id(bed.fixture.tools(), 8);
    let (session, _) = bed.open(vec![bed.sshd().host("dev-vm")]).await;
    assert_eq!(session.expect("another machine").reader().host(), "dev-vm");
}

impl Bed {
    /// With a checkpoint of this server as `prod-vm`.
    fn into_recorded(self) -> (Self, String) {
        let id = self.checkpoint_as_prod();
        (self, id)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_address_of_a_protected_host_is_refused_before_anything_is_sent_there() {
    let Some(bed) = Bed::start() else { return };
    let port = bed.sshd().port;
    // Nobody needs to ask the protected host for its keys: some are known, of which it has none.
    let stranger = bed.sshd().folder().join("stranger");
    keygen(&stranger, "ed25519", "");
    let known = fs::read_to_string(bed.sshd().known_hosts()).expect("known_hosts");
    let stranger = public(&stranger.with_extension("pub"));
    bed.sshd()
        .write_known_hosts(&format!("{known}* {stranger}\n"));
    for address in ["127.0.0.1", "localhost", "::ffff:127.0.0.1", "LOCALHOST."] {
        // It could be told by its key, too, if anybody asked for that.
        let hosts = vec![bed.sshd().host("dev-vm"), prod(address, port)];
        let (session, log) = bed.open(hosts).await;
        let (mark, origin) = protected(session);
        assert!(matches!(mark, Mark::Location(_)), "{mark}");
        assert!(matches!(origin, Origin::Inventory { .. }), "{origin}");
        assert_eq!(log, "", "{address}");
    }
    assert_eq!(*bed.sent.lock().expect("no panic"), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_ssh_config_counts_like_one_of_the_inventory() {
    let Some(bed) = Bed::start() else { return };
    // Every name leads to this server.
    let nameless = Host {
        address: None,
        port: None,
        ..prod("", 0)
    };
    let (mark, _) = bed.refused(vec![bed.sshd().host("dev-vm"), nameless]).await;
    assert!(matches!(mark, Mark::Location(_)), "{mark}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_only_known_hosts_knows_is_refused_before_authentication() {
    let Some(bed) = Bed::start() else { return };
    let sshd = bed.sshd();
    let key = sshd.host_public_key();
    let config = sshd.ssh_config().file.expect("a file");
    let config = fs::read_to_string(config).expect("ssh_config");
    sshd.write_ssh_config(&format!("Host prod-vm\n  HostKeyAlias the-prod\n{config}"));
    let by_port = prod("203.0.113.26", 2222);
    let aliased = Host {
        name: "prod-vm".parse().expect("a name"),
        ..prod("203.0.113.26", 22)
    };
    for (line, host) in [
        // The alias counts, not the address.
        ("the-prod", by_port),
        ("the-prod,other", aliased),
    ] {
        sshd.write_known_hosts(&format!("{} {key}\n{line} {key}\n", sshd.lookup()));
        let (mark, origin) = bed.refused(vec![sshd.host("dev-vm"), host]).await;
        assert_eq!(mark, print(&key));
        let file = sshd.known_hosts();
        assert_eq!(origin, Origin::KnownHosts { file, line: 2 });
    }
    // Without an alias: the address, with the port unless that is 22.
    sshd.write_ssh_config(&config);
    for (line, host) in [
        ("[203.0.113.26]:2222", prod("203.0.113.26", 2222)),
        ("203.0.113.26", prod("203.0.113.26", 22)),
    ] {
        sshd.write_known_hosts(&format!("{} {key}\n{line} {key}\n", sshd.lookup()));
        let (mark, _) = bed.refused(vec![sshd.host("dev-vm"), host]).await;
        assert_eq!(mark, print(&key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_kind_that_the_target_announces_is_refused() {
    let builder = Sshd::builder().host_key("ed25519").host_key("rsa");
    let Some(fixture) = HostFixture::with(builder) else {
        return;
    };
    let bed = Bed::of(fixture);
    let sshd = bed.sshd();
    sshd.write_known_hosts(&format!(
        "{} {}\n203.0.113.26 {}\n",
        sshd.lookup(),
        sshd.host_key("ed25519"),
        sshd.host_key("rsa")
    ));
    let hosts = vec![sshd.host("dev-vm"), prod("203.0.113.26", 22)];
    let (session, _) = bed.open(hosts).await;
    let (mark, _) = protected(session);
    assert_eq!(mark, print(&sshd.host_key("rsa")));
    assert_eq!(*bed.sent.lock().expect("no panic"), ["probe writes=false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_host_that_nobody_has_seen_is_asked_for_its_keys() {
    let Some(bed) = Bed::start() else { return };
    // The same machine under another port, which known_hosts does not know.
    let proxy = Proxy::start(bed.sshd().port, Faults::default());
    let hosts = vec![bed.sshd().host("dev-vm"), prod("127.0.0.1", proxy.port)];
    let (mark, origin) = bed.refused(hosts).await;
    assert_eq!(mark, print(&bed.sshd().host_public_key()));
    assert_eq!(origin, Origin::Host);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_host_that_cannot_be_asked_is_a_warning() {
    let Some(bed) = Bed::start() else { return };
    let port = free_port();
    let hosts = vec![bed.sshd().host("dev-vm"), prod("127.0.0.1", port)];
    let gathered = bed.gather(&inventory(hosts.clone())).await;
    let warnings = gathered.expect("evidence").warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with(
            "the target can't be compared with prod-vm: there is no checkpoint of it, known_hosts has no key of it, and it can't be asked (can't connect to prod-vm at 127.0.0.1:"
        ),
        "{warnings:?}"
    );
    let (session, log) = bed.open(hosts).await;
    assert_eq!(
        session.expect("no protected machine").reader().host(),
        "dev-vm"
    );
    assert!(log.contains("Accepted"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_that_cannot_be_read_is_a_refusal() {
    let Some(bed) = Bed::start() else { return };
    let id = bed.checkpoint_as_prod();
    let hosts = inventory(vec![bed.sshd().host("dev-vm"), prod("203.0.113.26", 22)]);
    bed.gather(&hosts).await.expect("nothing is damaged yet");

    // known_hosts of a protected host, which is a folder.
    let known_hosts = bed.sshd().known_hosts();
    let text = fs::read_to_string(&known_hosts).expect("known_hosts");
    fs::remove_file(&known_hosts).expect("removed");
    fs::create_dir(&known_hosts).expect("a folder");
    let error = bed.gather(&hosts).await.expect_err("unreadable");
    assert_eq!(
        chain(&error)[..2],
        [
            "can't tell which machine the protected host prod-vm is".to_owned(),
            format!("can't use {}", known_hosts.display())
        ]
    );
    assert_eq!(
        (error.exit_class(), error.code()),
        (ExitClass::Refused, Code::EvidenceUnreadable)
    );
    fs::remove_dir(&known_hosts).expect("removed");
    fs::write(&known_hosts, text).expect("known_hosts");

    // A record with one bit flipped, cut, gone.
    let (host, stamp) = id.split_once('@').expect("a name");
    let record = bed
        .store
        .dir()
        .join(host)
        .join(stamp)
        .join("checkpoint.json");
    let whole = fs::read(&record).expect("a record");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [Some(flipped), Some(whole[..whole.len() / 2].to_vec()), None] {
        match damaged {
            Some(bytes) => fs::write(&record, bytes).expect("a record"),
            None => fs::remove_file(&record).expect("removed"),
        }
        let error = bed.gather(&hosts).await.expect_err("damaged");
        let texts = chain(&error);
        assert_eq!(
            texts[0],
            "can't tell which machines are protected: a record of the store can't be read"
        );
        assert!(
            texts[1].starts_with(&format!("{host}/{stamp}/checkpoint.json is damaged")),
            "{texts:?}"
        );
        assert_eq!(error.exit_class(), ExitClass::Refused);
        assert!(
            error
                .hint()
                .is_some_and(|hint| hint.contains("fleet verify --all"))
        );
    }
    fs::write(&record, whole).expect("a record");
    bed.gather(&hosts).await.expect("mended");
}
