//! Regular expressions of OPA (RE2 as Go reads it), as the engine's library reads them.
//!
//! Both are automata without backtracking and nearly one language. Where they are not, the same text would be another
//! pattern: classes such as `\d` are ASCII there, `{` stands for itself where it repeats nothing, brackets do not nest
//! within brackets, and `a++` is a mistake.

use std::iter::Peekable;
use std::str::Chars;

use regorus::Value;

use super::fit::{Fitted, Misfit};

/// Most repetitions of one expression.
const MAX_REPEAT: u32 = 1_000;
/// The members of `\d`, `\w` and `\s`.
const CLASSES: [(char, &str); 3] = [('d', "0-9"), ('w', "0-9A-Za-z_"), ('s', r"\t\n\f\r ")];

/// Arguments that begin with a pattern.
pub(super) fn first(arguments: &[Value]) -> Fitted {
    let mut fitted = arguments.to_vec();
    if let Some(pattern) = fitted.first_mut()
        && let Ok(text) = pattern.as_string()
    {
        let translated = translate(text).ok_or(Misfit::Undefined)?;
        *pattern = Value::from(translated);
    }
    Ok(fitted)
}

/// `regex.is_valid`: what is no pattern there is none here.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
pub(super) fn validity(arguments: &[Value]) -> Fitted {
    Ok(first(arguments).unwrap_or_else(|_| vec![Value::from("(")]))
}

/// `regex.replace`: a pattern in the middle, and a replacement whose `$01` names no group.
pub(super) fn replacement(arguments: &[Value]) -> Fitted {
    let [text, pattern, with] = arguments else { return Err(Misfit::Undefined) };
    let translated = first(std::slice::from_ref(pattern))?;
    let with = match with.as_string() {
        Ok(with) => Value::from(template(with)),
        Err(_) => with.clone(),
    };
    Ok([text.clone()].into_iter().chain(translated).chain([with]).collect())
}

/// A replacement without references to groups whose number begins with zero: there are none.
fn template(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        made.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            made.push_str("$$");
            rest = after;
            continue;
        }
        let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
        let (name, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && name.len() > 1 && name.starts_with('0') {
            rest = behind;
        } else {
            made.push('$');
            rest = after;
        }
    }
    made + rest
}

/// The pattern in the other syntax; `None` where it is no pattern.
pub(super) fn translate(pattern: &str) -> Option<String> {
    let mut translation =
        Translation { rest: pattern.chars().peekable(), made: String::with_capacity(2 * pattern.len()) };
    translation.run()?;
    Some(translation.made)
}

struct Translation<'a> {
    rest: Peekable<Chars<'a>>,
    made: String,
}

/// What stands at one place of brackets.
enum Member {
    Letter(char),
    Class(String),
}

impl Translation<'_> {
    fn run(&mut self) -> Option<()> {
        let mut repeated = false;
        while let Some(letter) = self.rest.next() {
            let repeats = match letter {
                '*' | '+' | '?' => letter.to_string(),
                '{' => self.bounds()?,
                _ => String::new(),
            };
            if !repeats.is_empty() {
                if repeated {
                    return None;
                }
                self.made.push_str(&repeats);
                self.made.extend(self.rest.next_if_eq(&'?'));
                repeated = true;
                continue;
            }
            repeated = false;
            match letter {
                '\\' => self.escape()?,
                '[' => self.brackets()?,
                '(' => self.group()?,
                '.' | '^' | '$' | '|' | ')' => self.made.push(letter),
                _ => literal(letter, &mut self.made),
            }
        }
        Some(())
    }

    /// How often `{…}` repeats; empty where it stands for itself. `None` where that is too often.
    fn bounds(&mut self) -> Option<String> {
        let ahead: String = self.rest.clone().take_while(|letter| *letter != '}').take(16).collect();
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let is_plain = text == "0" || !text.starts_with('0');
            (is_number && is_plain).then(|| text.parse::<u32>().unwrap_or(u32::MAX))
        };
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (least, most) = match ahead.split_once(',') {
            None => (number(&ahead), number(&ahead)),
            Some((least, "")) => (number(least), number(least)),
            Some((least, most)) => (number(least), number(most)),
        };
        let (Some(least), Some(most), true) = (least, most, closed) else { return Some(String::new()) };
        if least > MAX_REPEAT || most > MAX_REPEAT || most < least {
            return None;
        }
        self.rest.nth(ahead.chars().count());
        Some(format!("{{{ahead}}}"))
    }

    /// What stands behind a backslash outside of brackets.
    fn escape(&mut self) -> Option<()> {
        match self.rest.peek().copied()? {
            'Q' => {
                self.rest.next();
                while let Some(letter) = self.rest.next() {
                    if letter == '\\' && self.rest.next_if_eq(&'E').is_some() {
                        break;
                    }
                    literal(letter, &mut self.made);
                }
            }
            edge @ ('b' | 'B') => {
                self.rest.next();
                self.made.extend(["(?-u:\\", edge.encode_utf8(&mut [0; 4]), ")"]);
            }
            edge @ ('A' | 'z') => {
                self.rest.next();
                self.made.extend(['\\', edge]);
            }
            _ => match self.escaped()? {
                Member::Letter(letter) => literal(letter, &mut self.made),
                Member::Class(class) if class.starts_with(r"\p") || class.starts_with(r"\P") => {
                    self.made.push_str(&class);
                }
                Member::Class(class) => self.made.extend(["(?-i:[", &class, "])"]),
            },
        }
        Some(())
    }

    /// What stands behind a backslash anywhere.
    fn escaped(&mut self) -> Option<Member> {
        let letter = self.rest.next()?;
        let small = letter.to_ascii_lowercase();
        if let Some((_, members)) = CLASSES.iter().find(|(name, _)| *name == small) {
            let class = if letter == small { (*members).to_owned() } else { format!("[^{members}]") };
            return Some(Member::Class(class));
        }
        let control = match letter {
            'a' => Some('\u{7}'),
            'f' => Some('\u{c}'),
            't' => Some('\t'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            'v' => Some('\u{b}'),
            _ => None,
        };
        if let Some(control) = control {
            return Some(Member::Letter(control));
        }
        match letter {
            'p' | 'P' => {
                let mut class = format!("\\{letter}");
                let first = self.rest.next()?;
                class.push(first);
                if first == '{' {
                    loop {
                        let next = self.rest.next()?;
                        class.push(next);
                        if next == '}' {
                            break;
                        }
                    }
                }
                Some(Member::Class(class))
            }
            'x' => self.hexadecimal().map(Member::Letter),
            '0'..='7' => self.octal(letter).map(Member::Letter),
            _ if letter.is_ascii() && !letter.is_ascii_alphanumeric() => Some(Member::Letter(letter)),
            _ => None,
        }
    }

    fn hexadecimal(&mut self) -> Option<char> {
        let digits: String = if self.rest.next_if_eq(&'{').is_some() {
            let digits: String = self.rest.clone().take_while(|letter| *letter != '}').take(8).collect();
            self.rest.nth(digits.len()).filter(|letter| *letter == '}')?;
            digits
        } else {
            [self.rest.next()?, self.rest.next()?].into_iter().collect()
        };
        u32::from_str_radix(&digits, 16).ok().filter(|_| !digits.starts_with('+')).and_then(char::from_u32)
    }

    /// One digit alone, other than zero, would refer to a group.
    fn octal(&mut self, first: char) -> Option<char> {
        let digit = |letter: &char| ('0'..='7').contains(letter);
        if first != '0' && !self.rest.peek().is_some_and(digit) {
            return None;
        }
        let mut code = first.to_digit(8)?;
        for _ in 0..2 {
            match self.rest.next_if(digit).and_then(|letter| letter.to_digit(8)) {
                Some(next) => code = code * 8 + next,
                None => break,
            }
        }
        char::from_u32(code)
    }

    /// `(`, with a name or flags that both know.
    fn group(&mut self) -> Option<()> {
        self.made.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Some(());
        }
        self.made.push('?');
        let ahead: String = self.rest.clone().take(2).collect();
        if ahead == "P<" || (ahead.starts_with('<') && !matches!(ahead.as_str(), "<=" | "<!")) {
            loop {
                let letter = self.rest.next()?;
                self.made.push(letter);
                match letter {
                    '>' => return Some(()),
                    '<' | '_' => {}
                    letter if letter.is_ascii_alphanumeric() => {}
                    _ => return None,
                }
            }
        }
        loop {
            let letter = self.rest.next()?;
            self.made.push(letter);
            match letter {
                'i' | 'm' | 's' | 'U' | '-' => {}
                ':' | ')' => return Some(()),
                _ => return None,
            }
        }
    }

    /// `[…]`, with every letter written as its number.
    fn brackets(&mut self) -> Option<()> {
        self.made.push('[');
        self.made.extend(self.rest.next_if_eq(&'^'));
        let mut is_first = true;
        loop {
            if !is_first && self.rest.next_if_eq(&']').is_some() {
                self.made.push(']');
                return Some(());
            }
            is_first = false;
            let Member::Letter(low) = self.member()? else { continue };
            let mut ahead = self.rest.clone();
            let is_range = ahead.next() == Some('-') && ahead.next().is_some_and(|letter| letter != ']');
            if !is_range {
                self.made.push_str(&coded(low));
                continue;
            }
            self.rest.next();
            let Member::Letter(high) = self.member()? else { return None };
            if low > high {
                return None;
            }
            self.made.extend([coded(low).as_str(), "-", coded(high).as_str()]);
        }
    }

    /// One member of brackets; a class is written at once.
    fn member(&mut self) -> Option<Member> {
        let letter = self.rest.next()?;
        let member = match letter {
            '\\' => self.escaped()?,
            '[' if self.rest.peek() == Some(&':') => {
                let name: String = self.rest.clone().take_while(|letter| *letter != ']').take(16).collect();
                if !name.ends_with(':') || name.len() < 2 {
                    return Some(Member::Letter('['));
                }
                self.rest.nth(name.chars().count())?;
                Member::Class(format!("[{name}]"))
            }
            letter => Member::Letter(letter),
        };
        if let Member::Class(class) = &member {
            self.made.push_str(class);
        }
        Some(member)
    }
}

fn coded(letter: char) -> String {
    format!("\\x{{{:X}}}", u32::from(letter))
}

/// Writes a letter that stands for itself.
pub(super) fn literal(letter: char, made: &mut String) {
    if letter.is_ascii_punctuation() && letter != '_' {
        made.push_str(&coded(letter));
    } else {
        made.push(letter);
    }
}
