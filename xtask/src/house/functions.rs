//! Finds functions in formatted source: they start at a `fn` and end at a `}` with the same indentation.

use super::sources::Source;

/// A function and its length in lines, signature and braces included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// All functions with a body of their own lines.
pub(super) fn of(source: &Source) -> Vec<Function> {
    let mut functions = Vec::new();
    for (at, line) in source.lines.iter().enumerate() {
        let Some(name) = declared(line) else { continue };
        let indentation = line.len() - line.trim_start().len();
        let rest = source.lines.iter().skip(at);
        let end = rest.clone().take_while(|line| !is_declaration_end(line, indentation)).count();
        // A declaration in a trait, or a body on one line, ends before any brace of its own.
        let lines = match rest.clone().nth(end) {
            Some(last) if last.trim() == "}" => end + 1,
            _ => 1,
        };
        functions.push(Function { name: name.to_owned(), line: at + 1, lines });
    }
    functions
}

/// The name in a line that starts a function.
fn declared(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    loop {
        match words.next()? {
            "fn" => break,
            word if word == "pub" || word.starts_with("pub(") => {}
            "const" | "async" | "unsafe" | "extern" => {}
            _ => return None,
        }
    }
    words.next()?.split(['(', '<']).next()
}

/// Whether a function that was declared with `indentation` ends here.
fn is_declaration_end(line: &str, indentation: usize) -> bool {
    if line.len() - line.trim_start().len() != indentation {
        return false;
    }
    let text = line.trim();
    text == "}" || text.ends_with(';') || (declared(line).is_some() && text.ends_with('}'))
}

#[cfg(test)]
mod tests;
