//! Renders what `fleet doctor` found on many hosts: problems in full, those of one kind once.

use anstyle::Style;

use super::{found, row, style};
use crate::engine::doctor::Report;
use crate::fault::{ExitClass, Specific};
use crate::health::doctor::Grade;
use crate::name::HostName;
use crate::report::{HostMessages, Table, groups, names};
use crate::scan::Found;
use crate::units::count;

/// Hosts with a problem, and one line that counts all of them. Those that were not reached are listed
/// of beside the answer, with the reason.
#[must_use]
pub fn summary(reports: &[Report]) -> String {
    let troubled: Vec<(&Report, Trouble)> = reports
        .iter()
        .filter(|report| report.failure.is_none())
        .map(|report| (report, Trouble::of(report)))
        .filter(|(_, trouble)| !trouble.is_none())
        .collect();
    let said: Vec<HostMessages> = troubled
        .iter()
        .map(|(report, trouble)| trouble.said(report))
        .collect();
    let mut texts = Vec::new();
    for kind in groups(&said) {
        let (first, trouble) = &troubled[kind.members[0]];
        let hosts: Vec<&HostName> = kind.members.iter().map(|at| &said[*at].host).collect();
        texts.push(match hosts.len() {
            1 => super::report(first),
            _ => trouble.shown(&hosts, &kind.texts),
        });
    }
    texts.push(closing(reports, &troubled));
    texts.join("\n")
}

/// `500 hosts: 486 fine, 2 with warnings, 12 not reached`
fn closing(reports: &[Report], troubled: &[(&Report, Trouble)]) -> String {
    let unreached = reports.iter().filter(|r| r.failure.is_some()).count();
    let is_broken = |report: &Report| report.exit_class() == Some(ExitClass::Failed);
    let broken = troubled.iter().filter(|(r, _)| is_broken(r)).count();
    let fine = reports.len() - troubled.len() - unreached;
    let mut text = format!("{}: {fine} fine", count(reports.len() as u64, "host"));
    for (number, what) in [
        (troubled.len() - broken, "with warnings"),
        (broken, "broken"),
        (unreached, "not reached"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    text.push('\n');
    text
}

/// What is not fine of a host that was reached.
struct Trouble {
    findings: Vec<(Grade, [String; 3])>,
    sources: Vec<(Grade, [String; 4])>,
}

impl Trouble {
    fn of(report: &Report) -> Self {
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.grade != Grade::Fine)
            .map(|finding| (finding.grade, row(finding)));
        let sources = report.sources.iter().filter_map(|source| {
            let (grade, state, shown) = found(&source.found);
            let shown = match &source.found {
                // How much it would read differs from host to host, and is no problem.
                Found::Ready { warnings, .. } => warnings.join("; "),
                Found::Absent | Found::Unasked | Found::Failed(_) => shown,
            };
            let cells = [source.name.as_str(), source.kind, state, &shown].map(str::to_owned);
            (grade != Grade::Fine).then_some((grade, cells))
        });
        Self {
            findings: findings.collect(),
            sources: sources.collect(),
        }
    }

    fn is_none(&self) -> bool {
        self.findings.is_empty() && self.sources.is_empty()
    }

    /// Every text of it, and how many findings there are, so that none is taken for a source.
    fn said(&self, report: &Report) -> HostMessages {
        let findings = self.findings.iter().flat_map(|(_, cells)| cells);
        let sources = self.sources.iter().flat_map(|(_, cells)| cells);
        let texts = findings
            .chain(sources)
            .cloned()
            .chain([self.findings.len().to_string()]);
        let failures = report
            .sources
            .iter()
            .filter_map(|source| match &source.found {
                Found::Failed(problem) => Some(problem),
                Found::Ready { .. } | Found::Absent | Found::Unasked => None,
            });
        let mut specifics = Specific::of_address(&report.address);
        specifics.push(Specific::Fingerprint(report.host_key.clone()));
        HostMessages {
            host: report.host.clone(),
            codes: failures.map(|problem| problem.code).collect(),
            texts: texts.collect(),
            specifics,
        }
    }

    /// The same trouble of all of `hosts`, with `cells` in place of its own.
    fn shown(&self, hosts: &[&HostName], cells: &[String]) -> String {
        let bold = Style::new().bold();
        let of = count(hosts.len() as u64, "host");
        let mut text = format!("{bold}{of}{bold:#}  {}\n", names(hosts));
        let (of_findings, of_sources) = cells.split_at(self.findings.len() * 3);
        if !self.findings.is_empty() {
            let mut table = Table::new(&["CHECK", "GRADE", "FOUND"]);
            for ((grade, _), cells) in self.findings.iter().zip(of_findings.chunks_exact(3)) {
                table.row(style(*grade), cells);
            }
            text.push_str(&table.shown());
        }
        if !self.sources.is_empty() {
            let mut table = Table::new(&["SOURCE", "KIND", "STATE", "FOUND"]);
            for ((grade, _), cells) in self.sources.iter().zip(of_sources.chunks_exact(4)) {
                table.row(style(*grade), cells);
            }
            text.push_str(&table.shown());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::event::Failure;
    use crate::fault::{Code, Problem};
    use crate::health::doctor::Finding;
    use crate::manifest::Totals;
    use crate::scan::Preview;

    fn finding(grade: Grade, says: &str) -> Finding {
        Finding {
            subject: "tar",
            grade,
            says: says.to_owned(),
            hint: (grade != Grade::Fine).then(|| "Install GNU tar.".to_owned()),
        }
    }

    /// Every fortieth host is down, h3 lacks something, and h50 to h61 lack the same.
    fn reports(hosts: u64) -> Vec<Report> {
        let report = |number: u64| {
            let name = format!("h{number}");
            let is_down = number.is_multiple_of(40);
            let found = match number {
                50..=61 => Found::Failed(Problem::in_part(
                    Code::RootMissing,
                    format!("/srv/{name} is not there"),
                    None,
                )),
                _ => Found::Ready {
                    roots: Vec::new(),
                    totals: Totals {
                        files: number,
                        bytes: number,
                    },
                    left_out: Vec::new(),
                    warnings: Vec::new(),
                },
            };
            let finding = match number {
                3 => finding(Grade::Warning, "busybox"),
                _ => finding(Grade::Fine, "GNU tar"),
            };
            Report {
                host: name.parse().expect("a name"),
                address: "203.0.113.7:22".to_owned(),
                user: "operator".to_owned(),
                host_key: "SHA256:abc".to_owned(),
                findings: vec![finding],
                sources: vec![Preview {
                    name: "app".parse().expect("a name"),
                    kind: "directory",
                    found,
                }],
                failure: is_down.then(|| Failure {
                    host: name.parse().expect("a name"),
                    part: None,
                    problem: Problem::new(
                        Code::HostUnreachable,
                        ExitClass::Unreachable,
                        "lost",
                        None,
                    ),
                }),
            }
        };
        (1..=hosts).map(report).collect()
    }

    fn shown(hosts: u64) -> String {
        anstream::adapter::strip_str(&summary(&reports(hosts))).to_string()
    }

    #[test]
    fn fine_hosts_are_counted_and_problems_told_once() {
        assert_snapshot!(shown(1), @"1 host: 1 fine");
        assert_snapshot!(shown(10), @r"
        h3  operator at 203.0.113.7:22, host key SHA256:abc
        CHECK  GRADE    FOUND
        tar    warning  busybox (Install GNU tar.)
        SOURCE  KIND       STATE  WOULD READ
        app     directory  ready  3 files, 3 B

        10 hosts: 9 fine, 1 with warnings
        ");
        assert_snapshot!(shown(500), @r"
        h3  operator at 203.0.113.7:22, host key SHA256:abc
        CHECK  GRADE    FOUND
        tar    warning  busybox (Install GNU tar.)
        SOURCE  KIND       STATE  WOULD READ
        app     directory  ready  3 files, 3 B

        12 hosts  h50, h51, h52, h53, h54, h55, h56, h57, h58, h59 and 2 more
        SOURCE  KIND       STATE   FOUND
        app     directory  failed  /srv/HOST is not there

        500 hosts: 475 fine, 1 with warnings, 12 broken, 12 not reached
        ");
    }
}
