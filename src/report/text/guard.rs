//! Renders the table of rules for `fleet guard explain`.

use anstyle::{AnsiColor, Style};

use crate::guard::{Decision, Judgement};
use crate::report::Table;

/// The rules of each judgement, with the line of the inventory `file` that each comes from.
#[must_use]
pub fn table(judgements: &[Judgement], file: &str) -> String {
    let mut table = Table::new(&["OPERATION", "DECISION", "RULE", "WHERE", "SAYS"]);
    for judgement in judgements {
        let color = match judgement.decision {
            Decision::Allow => AnsiColor::Green,
            Decision::Deny => AnsiColor::Red,
        };
        let style = Style::new().fg_color(Some(color.into()));
        for (index, rule) in judgement.rules.iter().enumerate() {
            let (operation, decision) = match index {
                0 => (judgement.operation.as_str(), judgement.decision.as_str()),
                _ => ("", ""),
            };
            let place = format!("{file}:{}", rule.place.line);
            table.row(style, [operation, decision, rule.rule, &place, &rule.says]);
        }
    }
    table.shown()
}
