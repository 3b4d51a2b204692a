//! Hosts behind others: jumps, chains of them, and commands in place of a network.

use std::sync::Arc;

use fleet::fault::{ExitClass, Fault as _};
use fleet::inventory::Host;
use fleet::ssh::{Connector, Error, Hop, Input, Options};

use super::{connector, fetch_plain, list, probe};
use crate::support::proxy::{Faults, Proxy};
use crate::support::sshd::{Sshd, inventory, user};

/// Both servers know each other's keys under the addresses that a jump uses.
fn trust(target: &Sshd, others: &[&Sshd]) {
    let mut text = format!("{} {}\n", target.lookup(), target.host_public_key());
    for other in others {
        text += &format!("{} {}\n", other.lookup(), other.host_public_key());
        other.authorize(
            &std::fs::read_to_string(target.operator_key().with_extension("pub")).expect("a key"),
        );
    }
    target.write_known_hosts(&text);
}

fn three() -> Option<(Sshd, Sshd, Sshd)> {
    Some((
        Sshd::builder().start()?,
        Sshd::builder().start()?,
        Sshd::builder().start()?,
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_is_reached_over_one_and_two_hops() -> Result<(), Error> {
    let Some((web, one, two)) = three() else {
        return Ok(());
    };
    trust(&web, &[&one, &two]);
    let file = web.folder().join("file");
    std::fs::write(&file, vec![b'x'; 8 << 20]).expect("a file");
    let named = Host {
        identity: vec![web.operator_key()],
        ..one.host("bastion")
    };
    let spec = |sshd: &Sshd| format!("{}@127.0.0.1:{}", user(), sshd.port);
    for jump in [
        "bastion".to_owned(),
        spec(&one),
        format!("{},{}", spec(&one), spec(&two)),
        format!("bastion,{}", spec(&two)),
    ] {
        let mut host = web.host("web");
        host.jump = Some(jump.clone());
        let inventory = inventory(vec![host.clone(), named.clone()]);
        let session = connector(&web).connect(&inventory, &host).await?;
        let output = session
            .output(&fetch_plain(), false, list(&[&file], 0), 1 << 30)
            .await?;
        assert_eq!(
            (output.status, output.stdout.len() > 8 << 20),
            (0, true),
            "{jump}"
        );
        drop(session);
        for sshd in [&web, &one, &two] {
            sshd.wait_until_idle();
        }
    }
    assert_eq!(two.log().matches("Accepted publickey").count(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hosts_share_one_connection_to_their_bastion() -> Result<(), Error> {
    let (Some(web), Some(bastion)) = (Sshd::builder().start(), Sshd::builder().start()) else {
        return Ok(());
    };
    trust(&web, &[&bastion]);
    let proxy = Proxy::start(bastion.port, Faults::default());
    let mut text = std::fs::read_to_string(web.known_hosts()).expect("known_hosts");
    text += &format!("[127.0.0.1]:{} {}\n", proxy.port, bastion.host_public_key());
    web.write_known_hosts(&text);
    let jump = Host {
        identity: vec![web.operator_key()],
        port: Some(proxy.port),
        ..bastion.host("bastion")
    };
    let connector = Arc::new(connector(&web));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..30 {
        let mut host = web.host(&format!("web{index}"));
        host.jump = Some("bastion".to_owned());
        let inventory = inventory(vec![host.clone(), jump.clone()]);
        let connector = Arc::clone(&connector);
        tasks.spawn(async move {
            let session = connector.connect(&inventory, &host).await?;
            let output = session
                .output(&probe(), false, Input::none(), 1 << 20)
                .await?;
            // Kept, so that the bastion stays in use.
            Ok::<_, Error>((session, output.status))
        });
    }
    let mut sessions = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (session, status) = done.expect("no panic")?;
        assert_eq!(status, 0);
        sessions.push(session);
    }
    assert_eq!((sessions.len(), proxy.accepted()), (30, 1));
    drop(sessions);
    bastion.wait_until_idle();
    web.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_stalls_behind_a_bastion_stops_nobody_else() -> Result<(), Error> {
    let (Some(web), Some(bastion)) = (Sshd::builder().start(), Sshd::builder().start()) else {
        return Ok(());
    };
    trust(&web, &[&bastion]);
    let jump = Host {
        identity: vec![web.operator_key()],
        ..bastion.host("bastion")
    };
    let file = web.folder().join("file");
    std::fs::write(&file, vec![b'x'; 64 << 20]).expect("a file");
    let connector = connector(&web);
    let host = |name: &str| Host {
        jump: Some("bastion".to_owned()),
        ..web.host(name)
    };
    let (one, two) = (host("one"), host("two"));
    let inventory = inventory(vec![one.clone(), two.clone(), jump]);
    let stalled = connector.connect(&inventory, &one).await?;
    let unread = stalled
        .run(&fetch_plain(), false, list(&[&file], 0))
        .await?;
    // Nobody reads that, and the other host doesn't care.
    let other = connector.connect(&inventory, &two).await?;
    let output = other
        .output(&fetch_plain(), false, list(&[&file], 0), 1 << 30)
        .await?;
    assert_eq!(output.status, 0);
    drop((unread, stalled, other));
    web.wait_until_idle();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_on_the_way_is_told_with_its_place() -> Result<(), Error> {
    let (Some(web), Some(bastion)) = (
        Sshd::builder().start(),
        Sshd::builder().option("PermitOpen 127.0.0.1:1").start(),
    ) else {
        return Ok(());
    };
    let jump = Host {
        identity: vec![web.operator_key()],
        ..bastion.host("bastion")
    };
    let mut host = web.host("web");
    host.jump = Some("bastion".to_owned());
    let inventory = inventory(vec![host.clone(), jump]);
    // The bastion's key isn't known.
    let error = connector(&web)
        .connect(&inventory, &host)
        .await
        .expect_err("unknown");
    assert_eq!(error.to_string(), "can't reach web through bastion");
    assert_eq!(
        error.hint().as_deref(),
        Some("Compare the fingerprint with the host's own, then run `fleet trust bastion`.")
    );
    assert_eq!(error.exit_class(), ExitClass::Unreachable);
    trust(&web, &[&bastion]);
    let error = connector(&web)
        .connect(&inventory, &host)
        .await
        .expect_err("forbidden");
    assert_eq!(
        fleet::fault::chain(&error),
        [
            format!("bastion refused to forward to 127.0.0.1:{}", web.port),
            "forwarding is forbidden".to_owned()
        ]
    );
    let mut gone = host.clone();
    gone.port = Some(1);
    let error = connector(&web)
        .connect(&inventory, &gone)
        .await
        .expect_err("nobody listens there");
    assert_eq!(
        fleet::fault::chain(&error),
        [
            "bastion refused to forward to 127.0.0.1:1",
            "the target can't be reached from there"
        ]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_stands_in_for_the_network() -> Result<(), Error> {
    let Some(sshd) = Sshd::builder().start() else {
        return Ok(());
    };
    let text = std::fs::read_to_string(sshd.folder().join("ssh_config")).expect("ssh_config");
    let relay = "bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'";
    sshd.write_ssh_config(&format!("{text}  ProxyCommand {relay}\n"));
    let host = sshd.host("web");
    let inventory = inventory(vec![host.clone()]);
    let connector = connector(&sshd);
    let endpoint = connector.endpoint(&inventory, &host).await?;
    assert_eq!(
        endpoint.hop,
        Some(Hop::Command(format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{}; cat <&3 & cat >&3; kill $!'",
            sshd.port
        )))
    );
    let session = connector.connect(&inventory, &host).await?;
    let output = session
        .output(&probe(), false, Input::none(), 1 << 20)
        .await?;
    assert_eq!(output.status, 0);
    drop(session);
    sshd.wait_until_idle();
    // One that only sleeps is given up like a host that says nothing.
    sshd.write_ssh_config(&format!("{text}  ProxyCommand sleep 1000\n"));
    let mut host = host;
    host.limits.connect_timeout = std::time::Duration::from_millis(300);
    let error = connector
        .connect(&inventory, &host)
        .await
        .expect_err("it sleeps");
    assert_eq!(
        fleet::fault::chain(&error).last().map(String::as_str),
        Some("no answer within 0.3 s")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_inventory_beats_ssh_config_and_circles_are_told() -> Result<(), Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(
        &file,
        "Host web\n  HostName 192.0.2.1\n  Port 2200\n  User config\n  IdentityFile /config/key\n  \
         HostKeyAlias alias\n  UserKnownHostsFile /kh/%h /kh/%k\n  ProxyJump bastion\n\
         Host bastion\n  HostName 192.0.2.2\n  User jump\n\
         Host loop\n  ProxyJump loop2\nHost loop2\n  ProxyJump loop\n",
    )
    .expect("a configuration");
    if crate::support::sshd::installed("ssh").is_none() {
        return Ok(());
    }
    let connector = Connector::new(
        fleet::ssh::SshConfig { file: Some(file) },
        Options::default(),
    );
    let bare = crate::support::sshd::host("web");
    let endpoint = connector
        .endpoint(&inventory(vec![bare.clone()]), &bare)
        .await?;
    assert_eq!(
        (
            endpoint.address.as_str(),
            endpoint.port,
            endpoint.user.as_str()
        ),
        ("192.0.2.1", 2200, "config")
    );
    assert_eq!(
        endpoint.identities,
        [std::path::PathBuf::from("/config/key")]
    );
    assert_eq!(endpoint.lookup(), "alias");
    assert_eq!(
        endpoint.user_known_hosts,
        ["/kh/192.0.2.1", "/kh/alias"].map(std::path::PathBuf::from)
    );
    let Some(Hop::Jump(hop)) = &endpoint.hop else {
        assert_eq!(endpoint.hop, None, "a jump");
        return Ok(());
    };
    assert_eq!(
        (hop.address.as_str(), hop.user.as_str()),
        ("192.0.2.2", "jump")
    );

    let mut host = bare;
    host.address = Some("192.0.2.9".to_owned());
    host.port = Some(22);
    host.user = Some("inventory".to_owned());
    host.identity = vec!["~/key".into()];
    host.jump = Some("none".to_owned());
    let endpoint = connector
        .endpoint(&inventory(vec![host.clone()]), &host)
        .await?;
    assert_eq!(
        (
            endpoint.address.as_str(),
            endpoint.port,
            endpoint.user.as_str()
        ),
        ("192.0.2.9", 22, "inventory")
    );
    assert_eq!(endpoint.hop, None);
    assert!(endpoint.identities[0].is_absolute());

    let circle = crate::support::sshd::host("loop");
    let error = connector
        .endpoint(&inventory(vec![circle.clone()]), &circle)
        .await
        .expect_err("a circle");
    assert_eq!(
        error.to_string(),
        "can't resolve how to reach loop: it is reached through itself: loop → loop2 → loop"
    );
    assert_eq!(error.exit_class(), ExitClass::Usage);
    let broken = Connector::new(
        fleet::ssh::SshConfig {
            file: Some(folder.path().join("missing")),
        },
        Options::default(),
    );
    let error = broken
        .endpoint(&inventory(vec![circle.clone()]), &circle)
        .await
        .expect_err("no such file");
    assert_eq!(
        error.to_string(),
        format!(
            "can't resolve how to reach loop: `ssh -G loop` says: Can't open user config file {}: No such file or directory",
            folder.path().join("missing").display()
        )
    );
    Ok(())
}
