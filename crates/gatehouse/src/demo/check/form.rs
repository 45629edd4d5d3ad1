//! The form on a page, as far as signing in needs it.

/// A form: where it goes and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// `action`; empty for the page's own URL.
    pub(super) action: String,
    /// Names and values of its inputs, hidden ones and those to fill in.
    pub(super) fields: Vec<(String, String)>,
    /// Names and values of its buttons, of which one is pressed.
    pub(super) buttons: Vec<(String, String)>,
}

impl Form {
    /// The first form of `page` that is posted.
    pub(super) fn first(page: &str) -> Option<Self> {
        let mut form: Option<Self> = None;
        for tag in tags(page) {
            let named = || Some((tag.attribute("name")?, tag.attribute("value").unwrap_or_default()));
            match (tag.name.as_str(), &mut form) {
                ("form", None) => {
                    let posts =
                        tag.attribute("method").is_some_and(|method| method.eq_ignore_ascii_case("post"));
                    form = posts.then(|| Self {
                        action: tag.attribute("action").unwrap_or_default(),
                        ..Self::default()
                    });
                }
                ("/form", Some(_)) => break,
                ("input", Some(form)) => match tag.attribute("type").as_deref() {
                    Some("submit" | "button" | "checkbox" | "radio") => form.buttons.extend(named()),
                    _ => form.fields.extend(named()),
                },
                ("button", Some(form)) => form.buttons.extend(named()),
                _ => {}
            }
        }
        form
    }

    /// Whether it has an input called `name`.
    pub(super) fn asks(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// Puts `value` into the input called `name`.
    pub(super) fn fill(&mut self, name: &str, value: &str) {
        for (_, old) in self.fields.iter_mut().filter(|(field, _)| field == name) {
            value.clone_into(old);
        }
    }

    /// Presses the button `name` with `value`; whether there is one.
    pub(super) fn press(&mut self, name: &str, value: &str) -> bool {
        let pressed =
            self.buttons.iter().find(|(button, pressed)| button == name && pressed == value).cloned();
        let found = pressed.is_some();
        self.fields.extend(pressed);
        found
    }
}

struct Tag {
    /// Lower case; `/form` for an end tag.
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> Option<String> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }
}

/// Every tag of a page.
fn tags(page: &str) -> impl Iterator<Item = Tag> + '_ {
    page.split('<').skip(1).map(|text| {
        let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        Tag { name: name.to_ascii_lowercase(), attributes: attributes(rest) }
    })
}

fn attributes(mut text: &str) -> Vec<(String, String)> {
    let mut attributes = Vec::new();
    loop {
        text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        let end =
            text.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(text.len());
        let Some((name, rest)) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty()) else {
            return attributes;
        };
        let (value, rest) = match rest.strip_prefix('=') {
            None => ("", rest),
            Some(rest) => {
                if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
                    rest.get(1..).and_then(|rest| rest.split_once(quote)).unwrap_or((rest, ""))
                } else {
                    let end = rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len());
                    rest.split_at_checked(end).unwrap_or((rest, ""))
                }
            }
        };
        attributes.push((name.to_ascii_lowercase(), unescaped(value)));
        text = rest;
    }
}

/// Text with its character references resolved: the five named ones and numbers.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let resolved = part.split_once(';').and_then(|(name, rest)| Some((character(name)?, rest)));
        if let Some((character, rest)) = resolved {
            plain.push(character);
            plain.push_str(rest);
        } else {
            plain.push('&');
            plain.push_str(part);
        }
    }
    plain
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests;
