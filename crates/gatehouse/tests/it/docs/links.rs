use super::markdown::{pages, repository};

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = page.path.parent().unwrap();
        for (index, line) in page.text.lines().enumerate() {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                if link.starts_with("http://") || link.starts_with("https://") {
                    continue;
                }
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() { page.path.clone() } else { folder.join(path) };
                let headed = |anchor: &str| {
                    std::fs::read_to_string(&target).is_ok_and(|text| anchors(&text).any(|one| one == anchor))
                };
                if !target.exists() || !(anchor.is_empty() || headed(anchor)) {
                    broken.push(format!("{}: {link}", page.at(index + 1)));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let readme = repository().join("README.md");
    let mut reached = vec![readme.canonicalize().unwrap()];
    let mut next = 0;
    while let Some(path) = reached.get(next).cloned() {
        next += 1;
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let link = link.split('#').next().unwrap_or_default();
            let Ok(target) = path.parent().unwrap().join(link).canonicalize() else { continue };
            if target.extension().is_some_and(|extension| extension == "md") && !reached.contains(&target) {
                reached.push(target);
            }
        }
    }
    let lost: Vec<String> =
        pages().iter().filter(|page| !reached.contains(&page.path)).map(|page| page.at(1)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

/// The anchors of headings, as the common renderers make them.
fn anchors(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let title = line.trim_start_matches('#').trim();
        let title = title.split("<!--").next().unwrap_or_default().trim();
        title
            .chars()
            .filter_map(|letter| match letter {
                ' ' => Some('-'),
                '-' | '_' => Some(letter),
                _ if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
                _ => None,
            })
            .collect()
    })
}
