//! Tests of answers to `facts`: honest, cut and hostile ones.

use super::*;
use crate::manifest::Changes;

fn roots() -> Vec<RemotePath> {
    ["/home/app", "/etc/asterisk"]
        .map(|root| root.parse().expect("a path"))
        .into()
}

fn stat(pid: u32, name: &str, parent: u32, started: u64) -> String {
    format!("stat={pid} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {started} 1 1\n")
}

fn process(pid: u32, name: &str, parent: u32, started: u64, cwd: &str, argv: &str) -> String {
    let argv = argv.replace(' ', "\u{1f}");
    format!(
        "{}uid=1000\ncwd={cwd}\nargv={argv}\u{1f}\n",
        stat(pid, name, parent, started)
    )
}

const REPOSITORY: &str = "git=/home/app\nbranch=main\n\
    commit=0123456789012345678901234567890123456789 1761672725 say = more\n";

#[test]
fn an_answer_is_read_line_by_line() {
    let answer = format!(
        "uptime=36000.51 1.0\nboot_id=6a2e0f1c-0000-4000-8000-000000000001\nhz=100\n\
         login=77 (sshd) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 3590000 1 1\n{}user=1000 azureuser\n\
         version=psql psql (PostgreSQL) 15.14\nversion=node v18.19.0\nversion=rm x\n\
         disk=/dev/sda1 30724 18432 11000 63% /\ndisk=/dev/sda1 30724 18432 11000 63% /\n\
         disk=//nas/my share 4 2 2 50% /mnt/my share\nnoise\n{REPOSITORY}change= M server.js\n\
         change=?? a=b/\nstatus=0\n3\n",
        process(
            2261,
            "node",
            1,
            100_000,
            "/home/app",
            "node server.js --token=abc"
        )
    );
    let facts = parse(answer.as_bytes(), &roots(), None);
    assert_eq!(
        facts,
        HostFacts {
            uptime: Some(Duration::from_secs(36_000)),
            boot_id: "6a2e0f1c-0000-4000-8000-000000000001".to_owned(),
            disks: vec![
                Disk {
                    mount: "/".to_owned(),
                    size_bytes: 30_724 << 10,
                    used_bytes: 18_432 << 10,
                    free_bytes: 11_000 << 10,
                },
                Disk {
                    mount: "/mnt/my share".to_owned(),
                    size_bytes: 4 << 10,
                    used_bytes: 2 << 10,
                    free_bytes: 2 << 10,
                },
            ],
            versions: [("node", "v18.19.0"), ("psql", "psql (PostgreSQL) 15.14")]
                .map(|(program, text)| Version {
                    program: program.to_owned(),
                    text: text.to_owned(),
                })
                .into(),
            repositories: vec![Repository {
                root: "/home/app".parse().expect("a path"),
                head: Head::Branch("main".to_owned()),
                commit: Some(Commit {
                    id: "0123456789012345678901234567890123456789".to_owned(),
                    time: "2025-10-28T17:32:05Z".parse().expect("a time"),
                    subject: "say = more".to_owned(),
                }),
                changes: Some(Changes {
                    count: 2,
                    first: vec![" M server.js".to_owned(), "?? a=b/".to_owned()],
                }),
            }],
            processes: vec![Process {
                pid: 2261,
                user: "azureuser".to_owned(),
                command: "node server.js --token=***".to_owned(),
                directory: Some("/home/app".parse().expect("a path")),
                age: Some(Duration::from_secs(35_000)),
                workers: 0,
            }],
            more_processes: 0,
            programs: String::new(),
        }
    );
    assert_eq!(facts.disks[0].used_percent(), 63);
}

/// The changes of the only repository.
fn changes(rest: &str) -> Option<Changes> {
    let mut facts = parse(format!("{REPOSITORY}{rest}").as_bytes(), &roots(), None);
    assert_eq!(facts.repositories.len(), 1, "{rest}");
    facts.repositories.remove(0).changes
}

#[test]
fn only_a_status_that_was_told_to_its_end_is_known() {
    assert_eq!(changes("status=0\n1\n"), Some(Changes::default()));
    for cut in [
        "",
        "status=0\n",
        "status=128\n1\n",
        "change= M a\n",
        "change= M a\nstatus=0\n",
        "change= M a\nstatus=0\n2",
        "change= M a\nstatus=143\n2\n",
    ] {
        assert_eq!(changes(cut), None, "{cut}");
    }
    let many: String = (0..70)
        .map(|number| format!("change=?? {number}\n"))
        .collect();
    let many = changes(&format!("{many}status=0\n1000001\n")).expect("it is known");
    assert_eq!((many.count, many.first.len()), (1_000_000, CHANGES_MAX));
    let next = format!("change= M a\nstatus=0\n{REPOSITORY}status=0\n1\n");
    let facts = parse(format!("{REPOSITORY}{next}").as_bytes(), &roots(), None);
    let known: Vec<bool> = facts
        .repositories
        .iter()
        .map(|one| one.changes.is_some())
        .collect();
    assert_eq!(known, [false, true]);
}

#[test]
fn a_work_tree_without_branch_or_commit_is_told_as_it_is() {
    let facts = parse(
        b"git=/home/app\ndetached=HEAD detached at v1\ngit=/srv/b\nbranch=main\ngit=relative\nbranch=x\n",
        &roots(),
        None,
    );
    let told: Vec<(&Head, bool)> = facts
        .repositories
        .iter()
        .map(|one| (&one.head, one.commit.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            (&Head::Detached("HEAD detached at v1".to_owned()), false),
            (&Head::Branch("main".to_owned()), false),
        ]
    );
}

/// The processes that are reported, by number, with their workers.
fn told(answer: &str) -> Vec<(u32, u64)> {
    let facts = parse(
        format!("uptime=36000.00\nhz=100\n{answer}").as_bytes(),
        &roots(),
        None,
    );
    facts
        .processes
        .iter()
        .map(|process| (process.pid, process.workers))
        .collect()
}

#[test]
fn what_began_after_the_connection_is_not_told() {
    let answer = [
        process(1, "node", 0, 3_000_000, "/home/app", "node a"),
        process(2, "find", 0, 3_590_001, "/", "find -P /home/app"),
    ]
    .concat();
    let login = format!("login={}", &stat(9, "sshd: x (y", 1, 3_590_000)[5..]);
    assert_eq!(told(&format!("{login}{answer}")), [(1, 0)]);
    // The host does not show the process of the connection.
    let young = process(3, "tar", 0, 3_595_000, "/", "tar -C /home/app");
    assert_eq!(told(&format!("{answer}{young}")), [(1, 0), (2, 0)]);
    assert_eq!(parse(answer.as_bytes(), &roots(), None).processes, []);
}

#[test]
fn only_what_belongs_to_a_directory_is_told_and_workers_are_counted() {
    let answer = [
        process(10, "node", 1, 1, "/", "node /home/app/server.js"),
        process(11, "node", 1, 1, "/", "node /home/app2/server.js"),
        process(12, "node", 1, 1, "/home/app2", "node server.js"),
        process(13, "asterisk", 1, 1, "", "/usr/sbin/asterisk -f"),
        process(14, "asterisk-other", 1, 1, "", "asterisk-other"),
        process(15, "sh", 1, 1, "/", "sh -c cd /home/app;node"),
        process(20, "nginx", 1, 1, "/", "nginx: master /home/app/nginx.conf"),
        process(21, "nginx", 20, 1, "/home/app", "nginx: worker process"),
        process(22, "nginx", 20, 1, "/home/app", "nginx: worker process"),
    ]
    .concat();
    assert_eq!(told(&answer), [(10, 0), (13, 0), (15, 0), (20, 2)]);
    let many: String = (100..150)
        .map(|pid| process(pid, "x", 1, 1, "/home/app/deep", "x"))
        .collect();
    let facts = parse(format!("uptime=36000\n{many}").as_bytes(), &roots(), None);
    assert_eq!(
        (facts.processes.len(), facts.more_processes),
        (PROCESSES_MAX, 18)
    );
    let kernel = format!(
        "uptime=36000\n{}uid=0\ncwd=\nargv=\n",
        stat(5, "asterisk", 2, 1)
    );
    assert_eq!(
        parse(kernel.as_bytes(), &roots(), None).processes[0].command,
        "[asterisk]"
    );
}

#[test]
fn nothing_grows_without_a_bound() {
    let long = "x".repeat(10_000);
    let mut answer = format!("uptime=36000\nboot_id={long}\n");
    for number in 0..100 {
        answer += &format!("version=node {number}{long}\ndisk=x 1 1 1 1% /{number}{long}\n");
        answer += &format!("git=/{number}\nbranch={long}\nchange={long}\nstatus=0\n2\n");
        answer += &process(number + 1, &long, 0, 1, "/home/app", &long);
    }
    let facts = parse(answer.as_bytes(), &roots(), None);
    assert_eq!(
        [
            facts.versions.len(),
            facts.disks.len(),
            facts.repositories.len(),
            facts.processes.len()
        ],
        [VERSIONS_MAX, DISKS_MAX, REPOSITORIES_MAX, PROCESSES_MAX]
    );
    assert!(format!("{facts:?}").len() < 60_000);
}

#[test]
fn noise_tells_nothing() {
    for noise in [
        &b""[..],
        b"\n",
        b"uptime=\nboot_id=\nhz=0\nlogin=\nstat=\nuid=1\ncwd=/\nargv=x\nuser=\nversion=\n",
        b"disk=\ndisk=1%\ndisk=a b c 1% /\ndisk=x 99999999999999999999 1 1 1% /\n",
        b"branch=x\ncommit=y\nchange=z\nstatus=0\n5\nstat=x (y) S\nstat=1 (\n",
        b"uptime=5",
        &[0xff; 100],
        b"=\n==\n\xff=\xff\n",
    ] {
        let facts = parse(noise, &roots(), None);
        assert_eq!(
            facts,
            HostFacts::default(),
            "{}",
            String::from_utf8_lossy(noise)
        );
    }
    let commit = b"git=/a\ncommit=abc 5 x\ngit=/b\ncommit=0123456789012345678901234567890123456789 99999999999999999 x\n";
    let facts = parse(commit, &roots(), None);
    assert!(facts.repositories.iter().all(|one| one.commit.is_none()));
}

#[test]
fn versions_of_the_same_programs_are_taken_from_before() {
    let programs = "node=/usr/bin/node /usr/bin/node:7:8:9";
    let answer = format!("versions={programs}\nversion=node v18.19.0\n");
    let first = parse(answer.as_bytes(), &roots(), None);
    assert_eq!(first.programs, programs);
    let same = parse(b"versions=same\n", &roots(), Some(&first));
    assert_eq!(
        (&same.versions, &same.programs),
        (&first.versions, &first.programs)
    );
    let other = parse(
        b"versions=node=/usr/bin/node x\nversion=node v20\n",
        &roots(),
        Some(&first),
    );
    assert_eq!(other.programs, "node=/usr/bin/node x");
    assert_eq!(other.versions.len(), 1);
    let untold = parse(b"uptime=1\n", &roots(), Some(&first));
    assert_eq!((untold.versions.len(), untold.programs.as_str()), (0, ""));
}
