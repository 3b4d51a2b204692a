//! Tables without borders, one line per row: for eyes, `grep` and five hundred hosts.

use anstyle::Style;
use comfy_table::{CellAlignment, ContentArrangement, presets};

use crate::name::escape;

/// Rows under a heading. Cells are escaped, so that each row stays one line.
#[derive(Debug)]
pub struct Table {
    inner: comfy_table::Table,
    styles: Vec<Style>,
}

impl Table {
    /// An empty table with these column headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(headings.iter().copied());
        for column in inner.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self {
            inner,
            styles: Vec::new(),
        }
    }

    /// Numbers of this column are below each other.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        if let Some(column) = self.inner.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        self
    }

    /// Adds a row.
    pub fn row<T: AsRef<str>>(&mut self, style: Style, cells: impl IntoIterator<Item = T>) {
        let cells = cells
            .into_iter()
            .map(|cell| escape(cell.as_ref().as_bytes()));
        self.inner.add_row(cells);
        self.styles.push(style);
    }

    /// The text, with colours, without blanks at line ends.
    #[must_use]
    pub fn shown(&self) -> String {
        let bold = Style::new().bold();
        let styles = std::iter::once(&bold).chain(&self.styles);
        let mut text = String::new();
        for (line, style) in self.inner.lines().zip(styles) {
            text.push_str(&format!("{style}{}{style:#}\n", line.trim_end()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_every_row_is_one_line() {
        let mut table = Table::new(&["host", "files", "text"]).right(1);
        table.row(Style::new(), ["a", "1", "two\nlines \u{1b}[31m"]);
        table.row(Style::new(), ["größer", "1000", ""]);
        assert_eq!(
            anstream::adapter::strip_str(&table.shown()).to_string(),
            "host    files  text\n\
             a           1  two\\nlines \\u{1b}[31m\n\
             größer   1000\n"
        );
    }
}
