//! Renders what `fleet import` took over, or would take over.

use super::checkpoint::style;
use crate::engine::import::{End, Imported, Outcome};
use crate::fault::{Code, ExitClass, Problem};
use crate::units::{count, size};

/// What the operator should know of a backup: its warnings, and that nothing says where it belongs.
#[must_use]
pub fn warnings(imported: &Imported) -> Vec<String> {
    let path = imported.path.display();
    let warnings = imported.warnings.iter();
    let mut texts: Vec<String> = warnings
        .map(|warning| format!("{path}: {warning}"))
        .collect();
    if imported.has_unknown_root {
        texts.push(format!(
            "{path}: its place on the host is unknown, so it is imported at `/`; set it with `--at FOLDER`"
        ));
    }
    texts
}

/// What an interrupted run says: what was taken over until then.
#[must_use]
pub fn stopped(outcome: &Outcome) -> Problem {
    let sealed = outcome
        .imported
        .iter()
        .filter(|imported| matches!(imported.end, End::Sealed(_)));
    let kept = match sealed.count() as u64 {
        0 => "Nothing was imported".to_owned(),
        number => format!("Already imported and kept: {}", count(number, "checkpoint")),
    };
    Problem::new(
        Code::Interrupted,
        ExitClass::Interrupted,
        "stopped before everything was imported",
        Some(format!(
            "{kept}, and nothing needs cleaning up. Run the same command again to go on."
        )),
    )
}

/// The checkpoint in one line, and beneath it where it comes from and where its files are.
#[must_use]
pub fn imported(imported: &Imported) -> String {
    let totals = format!(
        "{}, {}",
        count(imported.totals.files, "file"),
        size(imported.totals.bytes)
    );
    let mut text = match &imported.end {
        End::Sealed(checkpoint) => {
            let style = style(checkpoint);
            format!(
                "{}  {style}{}{style:#}  {totals}  (stored {})\n",
                checkpoint.id,
                checkpoint.state_words(),
                size(checkpoint.stored_bytes),
            )
        }
        End::Already(id) => format!("{id}  already imported  {totals}\n"),
        End::Planned(id) => {
            let what = if imported.subset { "as a subset  " } else { "" };
            format!("{id}  would be imported  {what}{totals}\n")
        }
    };
    text.push_str(&format!(
        "  from   {}\n  taken  {}  {}\n",
        imported.path.display(),
        imported.taken.time.strftime("%Y-%m-%d %H:%M:%S UTC"),
        imported.taken
    ));
    if let Some(folder) = &imported.stripped {
        text.push_str(&format!(
            "  names  without `{folder}/`, which is called after a time; `--strip 0` keeps it\n"
        ));
    }
    for landed in &imported.landed {
        text.push_str(&format!(
            "  lands  {}  {}, {}  in part {}\n",
            landed.at,
            count(landed.files, "file"),
            size(landed.bytes),
            landed.part
        ));
    }
    for checked in &imported.checked {
        text.push_str(&format!(
            "  sums   {}: {} match{}\n",
            checked.list,
            count(checked.files, "file"),
            match checked.unlisted {
                0 => String::new(),
                number => format!(", {number} not listed"),
            }
        ));
    }
    text
}
