//! Damaged configurations: each is refused where it is damaged, with exit code 78 and without a panic.
//!
//! The valid ones are those that people start from: the client of the Claude connection guide in a complete file, both
//! documented trees, the demo's file and the starter of `init`. Damage is generated from a fixed seed.

mod damage;
mod draw;

use std::collections::BTreeMap;
use std::path::Path;

use gatehouse::gateway::load::{LoadFailure, from_source};
use gatehouse::host::DiskLoader;
use gatehouse_config::problem::{Problem, Severity};
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::starter::{Starter, starter};
use gatehouse_testkit::documents::{gateway_tree, guide, provider_tree, tree_files};
use gatehouse_testkit::process::{ENVIRONMENT, Ran, run};
use tempfile::TempDir;

use self::damage::{Kind, Mutant, mutants};
use self::draw::Draw;

const SEED: u64 = 0x6761_7465_686f_7573;
const PASSWORD_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
const AUDIT_KEY: &str = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
const KEY_HASH: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The files that configurations refer to, and the configurations.
struct Sound {
    folder: TempDir,
    texts: Vec<(&'static str, String)>,
}

impl Sound {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in tree_files() {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let openapi = include_str!("../../src/demo/directory/openapi.json");
        std::fs::write(folder.path().join("directory.openapi.json"), openapi).unwrap();
        let here = folder.path().to_str().unwrap();
        let init = Starter {
            public_url: &"https://gw.example.com".parse().unwrap(),
            username: "admin",
            password_hash: PASSWORD_HASH,
            key_hash: Some(KEY_HASH),
            audit_key: AUDIT_KEY,
        };
        let texts = vec![
            ("guide", guide()),
            ("provider tree", provider_tree(here)),
            ("gateway tree", gateway_tree(here)),
            ("demo", demo()),
            ("starter", starter(&init).unwrap()),
        ];
        Self { folder, texts }
    }
}

/// The demo's configuration, filled in.
fn demo() -> String {
    let values = [
        ("port", "9420"),
        ("admin_port", "9421"),
        ("ada_password_hash", PASSWORD_HASH),
        ("bob_password_hash", PASSWORD_HASH),
        ("confidential_secret", "aSecretOfTheConfidentialClient"),
        ("exchange_secret", "aSecretOfTheExchangingClient"),
        ("provider_key", "sk-ant-nothing-real-but-long"),
        ("api_key_hash", KEY_HASH),
        ("audit_key", AUDIT_KEY),
        ("directory_url", "http://127.0.0.1:9431"),
        ("ledger_url", "http://127.0.0.1:9432/mcp"),
        ("provider_url", "http://127.0.0.1:9433"),
    ];
    let template = include_str!("../../src/demo/configuration/gatehouse.yaml").to_owned();
    values.iter().fold(template, |text, (name, value)| text.replace(&format!("@{name}@"), value))
}

/// What is wrong with `text`; nothing when it loads.
fn problems(folder: &Path, text: &[u8]) -> Vec<Problem> {
    let source = Source::new("gatehouse.yaml", text);
    let environment: Environment = ENVIRONMENT.into_iter().collect();
    match from_source(&source, &environment, &DiskLoader::in_folder(folder.to_owned())) {
        Ok(_) => Vec::new(),
        Err(LoadFailure::Refused(problems)) => problems,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn what_is_damaged_here_is_sound_before() {
    let sound = Sound::new();
    for (name, text) in &sound.texts {
        let problems = problems(sound.folder.path(), text.as_bytes());
        assert_eq!(problems, [], "{name}");
    }
}

#[test]
fn every_damage_is_refused_where_it_is() {
    let sound = Sound::new();
    let mut complaints = Vec::new();
    let mut counts: BTreeMap<Kind, (usize, Vec<String>)> = BTreeMap::new();
    for (name, text) in &sound.texts {
        for mutant in mutants(name, text, &mut Draw::seeded(SEED)) {
            let found = problems(sound.folder.path(), &mutant.bytes);
            let (all, survivors) = counts.entry(mutant.kind).or_default();
            *all += 1;
            if found.is_empty() {
                survivors.push(mutant.what());
                continue;
            }
            complaints.extend(unhelpful(&mutant, &found));
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n\n"));
    let all: usize = counts.values().map(|(all, _)| all).sum();
    let survived: usize = counts.values().map(|(_, survivors)| survivors.len()).sum();
    assert_eq!(
        counts.len(),
        Kind::ALL.len(),
        "a kind of damage found nothing to damage: {:?}",
        counts.keys()
    );
    assert!(all > 1_500, "only {all} damaged configurations");
    for (kind, (all, survivors)) in &counts {
        let bearable = kind.bearable(*all);
        assert!(
            survivors.len() <= bearable,
            "{kind:?}: {} of {all} load:\n{}",
            survivors.len(),
            survivors.join("\n")
        );
    }
    assert!(survived * 20 < all, "{survived} of {all} still load");
}

/// What is wrong with the problems that are reported for `mutant`: each has a place and a sentence, and one names the
/// key that is damaged.
fn unhelpful(mutant: &Mutant, problems: &[Problem]) -> Option<String> {
    let printed: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let complaint = |what: &str| Some(format!("{what}: {}\n{}", mutant.what(), printed.join("\n")));
    if !problems.iter().any(|problem| problem.severity == Severity::Error) {
        return complaint("only warnings");
    }
    if problems.iter().any(|problem| problem.line == 0 || problem.column == 0 || problem.message.len() < 9) {
        return complaint("no place or no sentence");
    }
    if printed.iter().any(|line| line.contains('\n')) {
        return complaint("more than one line");
    }
    if !mutant.kind.has_a_key() {
        return None;
    }
    // A section that is not built is refused as a whole.
    let whole = |problem: &Problem| !mutant.section.is_empty() && problem.path.ends_with(&mutant.section);
    let about = |problem: &&Problem| {
        problem.line == mutant.line || problem.path.contains(&mutant.key) || whole(problem)
    };
    match problems.iter().find(|problem| about(problem) && !problem.path.is_empty()) {
        Some(_) => None,
        None => complaint("the damaged key is not named"),
    }
}

#[test]
fn check_and_serve_end_with_78_and_name_the_place() {
    let sound = Sound::new();
    let folder = sound.folder.path();
    let mut by_kind: BTreeMap<Kind, Vec<Mutant>> = BTreeMap::new();
    for (name, text) in &sound.texts {
        for mutant in mutants(name, text, &mut Draw::seeded(SEED)) {
            by_kind.entry(mutant.kind).or_default().push(mutant);
        }
    }
    // Some of every kind, spread over all configurations.
    let mut draw = Draw::seeded(SEED);
    let sample: Vec<Mutant> = by_kind
        .into_values()
        .flat_map(|mutants| draw.some(mutants, 20))
        .filter(|mutant| !problems(folder, &mutant.bytes).is_empty())
        .collect();
    assert!(sample.len() >= 220, "only {} damaged configurations", sample.len());
    for (at, mutant) in sample.iter().enumerate() {
        std::fs::write(folder.join("gatehouse.yaml"), &mutant.bytes).unwrap();
        assert_refused(mutant, &run(&crate::binary(), folder, &["check"], ""));
        if at % 8 == 0 {
            assert_refused(mutant, &run(&crate::binary(), folder, &["serve"], ""));
        }
    }
}

fn assert_refused(mutant: &Mutant, ran: &Ran) {
    let what = || format!("{}\n{ran:?}", mutant.what());
    assert_eq!(ran.code, Some(78), "{}", what());
    assert!(!ran.err.contains("panicked") && !ran.err.contains("RUST_BACKTRACE"), "{}", what());
    assert_eq!(ran.out, "", "{}", what());
    let located = |line: &str| {
        let line = line.strip_prefix("warning: ").unwrap_or(line);
        let mut parts = line.splitn(4, ':');
        let number =
            |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok_and(|number| number > 0));
        parts.next() == Some("gatehouse.yaml")
            && number(parts.next())
            && number(parts.next())
            && parts.next().is_some()
    };
    assert!(ran.err.lines().count() > 0, "{}", what());
    for line in ran.err.lines() {
        assert!(located(line) || beside(line), "`{line}` has no place: {}", what());
    }
}

/// A problem inside a file that the configuration names is located there.
fn beside(line: &str) -> bool {
    ["ledger.rego:", "secrets.yaml:", "employees.json:"].iter().any(|file| line.contains(file))
}

/// Configurations that would take a careless reader's memory or stack.
#[test]
fn a_bomb_is_refused_at_once() {
    let sound = Sound::new();
    let (_, text) = &sound.texts[0];
    let laughs = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n")
        + &lines(11, |at| {
            let below = vec![format!("*l{at}"); 10].join(", ");
            format!("l{0}: &l{0} [{below}]\n", at + 1)
        });
    let bombs = [
        ("a billion laughs", format!("{laughs}{text}")),
        ("an alias of itself", format!("a: &a [*a]\n{text}")),
        ("brackets", format!("{text}\nextra: {}\n", "[".repeat(100_000))),
        ("closed brackets", format!("{text}\nextra: {}{}\n", "[".repeat(50_000), "]".repeat(50_000))),
        ("braces", format!("{text}\nextra: {}\n", "{a: ".repeat(100_000))),
        ("dashes", format!("{text}\nextra:\n  {}x\n", "- ".repeat(100_000))),
        ("indentation", lines(2_000, |depth| format!("{}k:\n", " ".repeat(depth)))),
        ("five mebibytes", format!("{text}\n{}", "# a comment that goes on\n".repeat(220_000))),
        ("a long line", format!("{text}\nextra: {}\n", "x".repeat(3_000_000))),
        ("many keys", lines(200_000, |at| format!("k{at}: 1\n"))),
        ("many documents", "---\n".repeat(100_000)),
        ("a merge of everything", format!("{laughs}<<: [*l11, *l11]\n{text}")),
    ];
    for (name, bomb) in bombs {
        std::fs::write(sound.folder.path().join("gatehouse.yaml"), bomb).unwrap();
        let ran = run(&crate::binary(), sound.folder.path(), &["check"], "");
        assert_eq!(ran.code, Some(78), "{name}: {}", ran.err.chars().take(2_000).collect::<String>());
        assert!(!ran.err.contains("panicked"), "{name}");
        assert!(
            ran.err.starts_with("gatehouse.yaml:"),
            "{name}: {}",
            ran.err.chars().take(300).collect::<String>()
        );
        assert!(ran.err.len() < 200_000, "{name}: {} bytes of problems", ran.err.len());
    }
}

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}
