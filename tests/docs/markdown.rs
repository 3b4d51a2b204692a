//! Reads the Markdown pages of this repository: headings, links, code spans and code blocks.
//!
//! A line-based reader of the subset that the pages use, not a Markdown parser.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// A page, by its path relative to the repository.
pub(super) struct Page {
    pub(super) name: String,
    pub(super) text: String,
}

/// A fenced code block, or a hidden `<!-- run` comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// The word after the fence; `run` for a hidden comment.
    pub(super) language: String,
    /// Index of its first content line in the page.
    pub(super) first: usize,
    pub(super) lines: Vec<String>,
}

pub(super) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The pages outside of the book.
const TOP: [&str; 5] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benches/README.md",
    "testbed/README.md",
];

/// All pages of the book, `SUMMARY.md` included, sorted.
pub(super) fn book() -> Vec<Page> {
    let mut names = Vec::new();
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the book") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root()).expect("beneath the root");
                names.push(name.to_str().expect("text").to_owned());
            }
        }
    }
    names.sort();
    names.iter().map(|name| Page::read(name)).collect()
}

/// All pages.
pub(super) fn all() -> Vec<Page> {
    let mut pages: Vec<Page> = TOP.iter().map(|name| Page::read(name)).collect();
    pages.extend(book());
    pages
}

impl Page {
    pub(super) fn read(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: fs::read_to_string(root().join(name)).expect("a page"),
        }
    }

    /// The folder of the page, relative to the repository.
    pub(super) fn folder(&self) -> PathBuf {
        Path::new(&self.name).parent().expect("a file").to_owned()
    }

    /// The lines outside of code blocks and comments, each with its index.
    fn prose(&self) -> Vec<(usize, &str)> {
        let (mut is_code, mut is_comment) = (false, false);
        let mut prose = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            if is_code {
                is_code = !line.trim_start().starts_with("```");
            } else if is_comment || line.starts_with("<!--") {
                is_comment = !line.contains("-->");
            } else if line.trim_start().starts_with("```") {
                is_code = true;
            } else {
                prose.push((index, line));
            }
        }
        prose
    }

    /// The anchors of its headings, as GitHub and mdBook derive them.
    pub(super) fn anchors(&self) -> Vec<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = Vec::new();
        for (_, line) in self.prose() {
            let heading = line.trim_start_matches('#');
            if heading.len() == line.len() || !heading.starts_with(' ') {
                continue;
            }
            let slug: String = heading
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect();
            let count = seen.entry(slug.clone()).or_default();
            anchors.push(match *count {
                0 => slug,
                number => format!("{slug}-{number}"),
            });
            *count += 1;
        }
        anchors
    }

    /// The targets of its links, each with its line number.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let code = Regex::new("`[^`]*`").expect("an expression");
        let link = Regex::new(r"\]\(([^)\s]+)\)").expect("an expression");
        let mut links = Vec::new();
        for (index, line) in self.prose() {
            let line = code.replace_all(line, "x");
            for found in link.captures_iter(&line) {
                links.push((index + 1, found[1].to_owned()));
            }
        }
        links
    }

    /// The texts between backticks in prose, each with its line number. A text may go on in the next line.
    pub(super) fn spans(&self) -> Vec<(usize, String)> {
        let span = Regex::new("`([^`]+)`").expect("an expression");
        let mut spans = Vec::new();
        // A paragraph at a time, for a text may be broken at its end of line.
        let mut paragraph: (usize, String) = (0, String::new());
        let mut flush = |paragraph: &mut (usize, String)| {
            for found in span.captures_iter(&paragraph.1) {
                spans.push((paragraph.0 + 1, found[1].to_owned()));
            }
            paragraph.1.clear();
        };
        let mut last = 0;
        for (index, line) in self.prose() {
            let is_start = line.starts_with(['|', '#', '-']) || line.is_empty();
            if is_start || index != last + 1 {
                flush(&mut paragraph);
                paragraph.0 = index;
            }
            paragraph.1.push_str(line);
            paragraph.1.push(' ');
            last = index;
        }
        flush(&mut paragraph);
        spans
    }

    /// Its code blocks and hidden commands, in order.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(Block, &str)> = None;
        for (index, line) in self.text.lines().enumerate() {
            match &mut open {
                Some((_, end)) if line.trim_start().starts_with(*end) => {
                    blocks.extend(open.take().map(|(block, _)| block));
                }
                Some((block, _)) => block.lines.push(line.to_owned()),
                None => {
                    let fence = line
                        .trim_start()
                        .strip_prefix("```")
                        .map(|word| (word, "```"));
                    let hidden = (line == "<!-- run").then_some(("run", "-->"));
                    open = fence.or(hidden).map(|(word, end)| {
                        let block = Block {
                            language: word.to_owned(),
                            first: index + 1,
                            lines: Vec::new(),
                        };
                        (block, end)
                    });
                }
            }
        }
        assert!(open.is_none(), "{}: a code block has no end", self.name);
        blocks
    }
}

#[test]
fn a_page_is_read() {
    let page = Page {
        name: "x/y.md".to_owned(),
        text: "# One `two`\n\n[a](b.md#c) `[no](link)` and `fleet\nls`\n\n## Twice\n## Twice\n```sh\n# no heading\n```\n<!-- run\nls\n-->\n"
            .to_owned(),
    };
    assert_eq!(page.anchors(), ["one-two", "twice", "twice-1"]);
    assert_eq!(page.links(), [(3, "b.md#c".to_owned())]);
    let spans: Vec<String> = page.spans().into_iter().map(|(_, span)| span).collect();
    assert_eq!(spans, ["two", "[no](link)", "fleet ls"]);
    let blocks = page.blocks();
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].language.as_str(), blocks[0].first), ("sh", 8));
    assert_eq!(
        (blocks[1].language.as_str(), blocks[1].lines.len()),
        ("run", 1)
    );
}
