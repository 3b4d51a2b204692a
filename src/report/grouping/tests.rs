//! Which texts of different hosts are the same.

use super::*;

fn said(code: Code, host: &str, text: &str, specifics: &[Specific]) -> HostMessages {
    HostMessages {
        host: host.parse().expect("a name"),
        codes: vec![code],
        texts: vec![text.to_owned()],
        specifics: specifics.to_vec(),
    }
}

fn unreachable(host: &str, address: &str, rest: &str) -> HostMessages {
    let text = format!("can't connect to {host} at {address}{rest}");
    let specifics = Specific::of_address(address);
    said(Code::HostUnreachable, host, &text, &specifics)
}

fn members(groups: &[Group]) -> Vec<&[usize]> {
    groups.iter().map(|group| &group.members[..]).collect()
}

#[test]
fn what_only_names_another_host_is_the_same() {
    let all = groups(&[
        unreachable("web-1", "203.0.113.1:22", ": refused"),
        unreachable("web-2", "203.0.113.2:22", ": refused"),
        unreachable("web-3", "web-3.example:22", ": refused"),
        unreachable("web-4", "web-4.example:22", ": timed out"),
    ]);
    assert_eq!(
        all,
        [
            Group {
                members: vec![0, 1, 2],
                texts: vec!["can't connect to HOST at ADDRESS: refused".to_owned()],
            },
            Group {
                members: vec![3],
                texts: vec!["can't connect to web-4 at web-4.example:22: timed out".to_owned()],
            },
        ]
    );
}

#[test]
fn an_address_without_its_port_is_the_same_too() {
    let all = groups(&[
        unreachable(
            "web-1",
            "web-1.example:22",
            ": no address for web-1.example",
        ),
        unreachable(
            "web-2",
            "web-2.example:22",
            ": no address for web-2.example",
        ),
    ]);
    assert_eq!(
        all[0].texts,
        ["can't connect to HOST at ADDRESS: no address for ADDRESS".to_owned()]
    );
    assert_eq!(all.len(), 1);
}

#[test]
fn another_code_is_another_group_though_the_texts_are_the_same() {
    let all = groups(&[
        said(Code::HostUnreachable, "a", "lost", &[]),
        said(Code::ConnectionLost, "b", "lost", &[]),
        said(Code::HostUnreachable, "c", "lost", &[]),
    ]);
    assert_eq!(members(&all), [&[0, 2][..], &[1]]);
}

#[test]
fn how_long_each_took_tells_no_two_apart() {
    let after = |host: &str, attempts: &str, time: &str| {
        let text = format!("can't connect to {host} ({attempts}, {time})");
        let time = Specific::Time(time.to_owned());
        said(Code::HostUnreachable, host, &text, &[time])
    };
    let all = groups(&[
        after("a", "3 attempts", "1 s"),
        after("b", "3 attempts", "12 s"),
        after("d", "1 attempt", "2 s"),
    ]);
    assert_eq!(members(&all), [&[0, 1][..], &[2]]);
    assert_eq!(
        all[0].texts,
        ["can't connect to HOST (3 attempts, TIME)".to_owned()]
    );
}

#[test]
fn what_is_the_same_for_all_stays_as_it_was() {
    let through = |host: &str| {
        let text = format!("can't reach {host} through gate at 198.51.100.1:22");
        let specifics = Specific::of_address("198.51.100.1:22");
        said(Code::HostUnreachable, host, &text, &specifics)
    };
    let all = groups(&[through("a"), through("b")]);
    let text = "can't reach HOST through gate at 198.51.100.1:22".to_owned();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].texts, [text]);
}

#[test]
fn fingerprints_that_each_host_has_of_its_own_are_the_same() {
    let unknown = |host: &str, shown: &str| {
        let text =
            format!("the host key of {host} is not known: it shows {shown}, and nothing else");
        let shown = Specific::Fingerprint(shown.to_owned());
        let lookup = Specific::Address(host.to_owned());
        said(Code::HostKeyUnknown, host, &text, &[lookup, shown])
    };
    let all = groups(&[unknown("a", "SHA256:abc"), unknown("b", "SHA256:xyz")]);
    assert_eq!(
        all[0].texts,
        ["the host key of HOST is not known: it shows FINGERPRINT, and nothing else".to_owned()]
    );
    assert_eq!(all.len(), 1);
}

#[test]
fn a_name_is_no_piece_of_a_longer_one() {
    for (text, kept) in [
        ("web", "HOST"),
        ("`web`.", "`HOST`."),
        ("root@web's", "root@HOST's"),
        ("store/web/x", "store/HOST/x"),
        ("web-2", "web-2"),
        ("webweb", "webweb"),
        ("web.example", "web.example"),
        ("a.web", "a.web"),
    ] {
        assert_eq!(replaced(text, "web", "HOST"), kept, "{text}");
    }
}

#[test]
fn ten_names_are_told_and_how_many_more() {
    let hosts: Vec<HostName> = (1..=12)
        .map(|n| format!("h{n}").parse().expect("a name"))
        .collect();
    let hosts: Vec<&HostName> = hosts.iter().collect();
    assert_eq!(names(&hosts[..2]), "h1, h2");
    assert_eq!(
        names(&hosts[..10]),
        "h1, h2, h3, h4, h5, h6, h7, h8, h9, h10"
    );
    assert_eq!(
        names(&hosts),
        "h1, h2, h3, h4, h5, h6, h7, h8, h9, h10 and 2 more"
    );
}
