//! The pages of the documentation and what stands in them.

use std::path::{Path, PathBuf};

/// A Markdown file.
pub(super) struct Page {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A fenced block.
pub(super) struct Block<'a> {
    /// What stands after the opening fence, such as `yaml fragment`.
    pub(super) info: &'a str,
    pub(super) text: String,
    /// The line of the opening fence, from 1.
    pub(super) line: usize,
}

/// The root of the repository.
pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every page, sorted by path.
pub(super) fn pages() -> Vec<Page> {
    let root = repository();
    let mut paths = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    collect(&root.join("docs"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| Page { text: std::fs::read_to_string(&path).unwrap(), path };
    let pages: Vec<Page> = paths.into_iter().map(read).collect();
    assert!(pages.len() > 10, "only {} pages were found", pages.len());
    pages
}

/// One page by its path in the repository.
pub(super) fn page(path: &str) -> Page {
    let path = repository().join(path);
    Page { text: std::fs::read_to_string(&path).unwrap(), path }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            paths.push(path);
        }
    }
}

impl Page {
    /// Where something stands, for messages.
    pub(super) fn at(&self, line: usize) -> String {
        let path = self.path.strip_prefix(repository()).unwrap_or(&self.path);
        format!("{}:{line}", path.display())
    }

    /// The fenced blocks, without the indentation that lists give them.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<(Block<'_>, usize)> = None;
        for (index, line) in self.text.lines().enumerate() {
            let trimmed = line.trim_start();
            match open.take() {
                None => {
                    if let Some(info) = trimmed.strip_prefix("```") {
                        let block = Block { info: info.trim(), text: String::new(), line: index + 1 };
                        open = Some((block, line.len() - trimmed.len()));
                    }
                }
                Some((block, _)) if trimmed == "```" => blocks.push(block),
                Some((mut block, indent)) => {
                    block.text.push_str(line.get(indent..).unwrap_or_default());
                    block.text.push('\n');
                    open = Some((block, indent));
                }
            }
        }
        assert!(open.is_none(), "{}: a fence is not closed", self.at(0));
        blocks
    }
}
