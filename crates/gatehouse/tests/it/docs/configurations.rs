use super::markdown::pages;
use super::surroundings::Surroundings;

#[test]
fn every_configuration_is_accepted() {
    let surroundings = Surroundings::new();
    let starter = surroundings.starter();
    let (mut complete, mut fragments, mut refused) = (0, 0, Vec::new());
    for page in pages() {
        for block in page.blocks() {
            let text = match block.info {
                "yaml" => {
                    complete += 1;
                    block.text
                }
                "yaml fragment" => {
                    fragments += 1;
                    merged(&starter, &block.text)
                }
                other => {
                    assert!(!other.starts_with("yaml"), "{}: `{other}`", page.at(block.line));
                    continue;
                }
            };
            match surroundings.load(&text) {
                Err(problems) => refused.push(format!("{}:\n{problems}{text}", page.at(block.line))),
                Ok(snapshot) => {
                    let warnings: Vec<String> = snapshot.warnings.iter().map(ToString::to_string).collect();
                    if !warnings.is_empty() {
                        refused.push(format!("{}: {warnings:?}", page.at(block.line)));
                    }
                }
            }
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n---\n"));
    assert!(complete >= 3 && fragments >= 20, "{complete} complete configurations, {fragments} fragments");
}

/// `base` with the sections of `fragment`: items of `apps` and `connectors` are added, and one of the same name takes
/// the place of the one there; every other section is replaced.
fn merged(base: &str, fragment: &str) -> String {
    let mut sections = sections(base);
    for (key, text) in self::sections(fragment) {
        match sections.iter_mut().find(|(known, _)| *known == key) {
            None => sections.push((key, text)),
            Some((_, there)) if matches!(key.as_str(), "apps" | "connectors") => {
                let new = items(&text);
                let name = |item: &str| item.lines().next().map(str::to_owned);
                let kept = items(there)
                    .into_iter()
                    .filter(|old| !new.iter().any(|item| name(item) == name(old)))
                    .chain(new.clone());
                *there = format!("{key}:\n{}", kept.collect::<String>());
            }
            Some((_, there)) => *there = text,
        }
    }
    sections.into_iter().map(|(_, text)| text).collect()
}

/// Key and text of every section.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let key = line.split(':').next().unwrap_or_default();
            sections.push((key.to_owned(), String::new()));
        }
        if let Some((_, section)) = sections.last_mut() {
            section.push_str(line);
            section.push('\n');
        }
    }
    sections
}

/// The items of a list section, each beginning with `  - name: `.
fn items(section: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    for line in section.lines().skip(1) {
        if line.starts_with("  - ") {
            items.push(String::new());
        }
        if let Some(item) = items.last_mut() {
            item.push_str(line);
            item.push('\n');
        }
    }
    items
}
