//! The figures as Markdown, on the terminal and in docs/PERFORMANCE.md.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::figures::{Crowd, Figures, Lone, Round};
use super::floors::{self, Floor, Limit};
use super::scenario::Scenario;
use super::{Plan, Target};
use crate::step::Step;

const PAGE: &str = "docs/PERFORMANCE.md";
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// The page's figures: machine, scenarios, tokens, memory, floors.
pub(super) fn markdown(figures: &Figures, plan: Plan, root: &Path) -> Result<String, String> {
    let parts = [
        machine(figures, plan, root)?,
        scenarios(figures),
        events(figures),
        tokens(figures),
        memory(figures),
        compared(figures),
        judged(figures),
    ];
    Ok(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n"))
}

/// Replaces what stands between the markers of the page.
pub(super) fn write(markdown: &str, root: &Path) -> Result<(), String> {
    let path = root.join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
    let page =
        filled(&page, markdown).ok_or_else(|| format!("{PAGE} has no {BEGIN} … {END} to write between"))?;
    fs::write(&path, page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("the figures are in {PAGE}");
    Ok(())
}

/// `page` with `markdown` between its markers, if it has them.
fn filled(page: &str, markdown: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{markdown}{END}{after}"))
}

fn machine(figures: &Figures, plan: Plan, root: &Path) -> Result<String, String> {
    let said = |program: &str, args: &[&str]| {
        let output = Step::new(program, root).args(args.iter().copied()).output()?;
        Ok::<_, String>(String::from_utf8_lossy(&output).trim().to_owned())
    };
    let processors = fs::read_to_string("/proc/cpuinfo").map_err(|error| error.to_string())?;
    let models: Vec<&str> = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()))
        .collect();
    let (busy, busiest) = figures.busy().unwrap_or_default();
    let commit = said("git", &["describe", "--always", "--dirty"])?;
    Ok(format!(
        "Measured {date} at {commit} on {count} x {model}, {kernel}: {rounds} rounds of {seconds} s for each figure, \
         medians. Other work on the machine, looked at before every round: median {busy:.0} %, at most {busiest:.0} %.\n",
        date = said("date", &["-u", "+%F"])?,
        count = models.len(),
        model = models.first().copied().unwrap_or("an unknown processor"),
        kernel = said("uname", &["-sr"])?,
        rounds = plan.rounds,
        seconds = plan.seconds,
    ))
}

fn scenarios(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "scenario",
        "through",
        "req/s, 32 conn.",
        "CPU µs/req",
        "x nginx",
        "p50 µs, 1 conn.",
        "added",
        "x nginx",
        "p99 µs",
        "added",
    ]);
    for scenario in figures.scenarios().filter(|scenario| !scenario.is_token()) {
        for target in figures.targets().iter().copied() {
            let cpu = |target| figures.crowd(scenario, target, |crowd| crowd.cpu_us);
            let added = |target| figures.added(scenario, target, |lone| lone.p50);
            let compared = |of: &dyn Fn(Target) -> Option<f64>| {
                (target == Target::Gatehouse).then(|| floors::ratio(of)).flatten()
            };
            table.row(&[
                scenario.to_string(),
                target.to_string(),
                whole(figures.crowd(scenario, target, |crowd| Some(crowd.requests_per_second))),
                fine(cpu(target)),
                fine(compared(&cpu)),
                fine(figures.lone(scenario, target, |lone| lone.p50)),
                fine(added(target)),
                fine(compared(&added)),
                fine(figures.lone(scenario, target, |lone| lone.p99)),
                fine(figures.added(scenario, target, |lone| lone.p99)),
            ]);
        }
    }
    table.text("For llm-ttft the times are those to the first token; for the others, of a whole exchange.")
}

fn events(figures: &Figures) -> String {
    let mut table = Table::new(&["llm-sse through", "events/s, 32 conn.", "CPU µs/event"]);
    let per_event = |us: Option<f64>| Some(us? / Scenario::LlmSse.events()?);
    for target in figures.targets().iter().copied() {
        let speed = figures.crowd(Scenario::LlmSse, target, |crowd| Some(crowd.events_per_second));
        if speed.is_some() {
            let cpu = per_event(figures.crowd(Scenario::LlmSse, target, |crowd| crowd.cpu_us));
            table.row(&[target.to_string(), whole(speed), finer(cpu)]);
        }
    }
    table.text("")
}

fn tokens(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "tokens",
        "from",
        "tokens/s, 32 conn.",
        "raw signing/s",
        "x raw",
        "CPU µs/token",
        "p50 µs, 1 conn.",
        "p99 µs",
    ]);
    let rows = figures.scenarios().filter(|scenario| scenario.is_token()).flat_map(|scenario| {
        let targets = figures.targets().iter().copied().filter(|target| target.is_gatehouse());
        targets.map(move |target| (scenario, target))
    });
    for (scenario, target) in rows {
        let speed = |round: &Round| Some(round.crowds.get(&target)?.requests_per_second);
        table.row(&[
            scenario.to_string(),
            target.to_string(),
            whole(figures.median(scenario, speed)),
            whole(figures.median(scenario, |round| round.signing)),
            fine(figures.median(scenario, |round| Some(speed(round)? / round.signing?))),
            fine(figures.crowd(scenario, target, |crowd| crowd.cpu_us)),
            fine(figures.lone(scenario, target, |lone| lone.p50)),
            fine(figures.lone(scenario, target, |lone| lone.p99)),
        ]);
    }
    table.text("Raw signing: one thread that signs the same kind of token in a loop, on the core that Gatehouse has.")
}

fn memory(figures: &Figures) -> String {
    let mut table = Table::new(&["resident MB", "idle", "under load", "peak"]);
    for target in figures.targets().iter().copied() {
        if let Some(resident) = figures.memory(target) {
            let cells = [resident.idle, resident.loaded, resident.peak].map(|value| fine(Some(value)));
            let [idle, loaded, peak] = cells;
            table.row(&[target.to_string(), idle, loaded, peak]);
        }
    }
    table.text("")
}

/// How much better than the older binary: 1.1 is a tenth more requests, a tenth less processor time or waiting.
fn compared(figures: &Figures) -> String {
    let mut table =
        Table::new(&["times as good as before", "req/s, 32 conn.", "CPU", "p50, 1 conn.", "p99, 1 conn."]);
    if !figures.targets().contains(&Target::Before) {
        return String::new();
    }
    for scenario in figures.scenarios() {
        // Of each round, so that what slows a whole round down counts for nothing.
        let crowd = |pick: fn(&Crowd) -> Option<f64>| {
            let of = move |round: &Round, target| round.crowds.get(&target).and_then(pick);
            figures.median(scenario, |round| Some(of(round, Target::Gatehouse)? / of(round, Target::Before)?))
        };
        let lone = |pick: fn(&Lone) -> f64| {
            let of = move |round: &Round, target| round.lone.get(&target).map(pick);
            figures.median(scenario, |round| Some(of(round, Target::Before)? / of(round, Target::Gatehouse)?))
        };
        table.row(&[
            scenario.to_string(),
            fine(crowd(|crowd| Some(crowd.requests_per_second))),
            fine(crowd(|crowd| crowd.cpu_us).map(f64::recip)),
            fine(lone(|lone| lone.p50)),
            fine(lone(|lone| lone.p99)),
        ]);
    }
    table.text("Each is the median of what was compared within one round; more than 1 is better than before.")
}

/// Floors compare Gatehouse with nginx: without both there is nothing to judge.
fn judged(figures: &Figures) -> String {
    if !Target::ALL.iter().all(|target| figures.targets().contains(target)) {
        return String::new();
    }
    let mut table = Table::new(&["floor", "limit", "found", ""]);
    for floor in floors::all(figures) {
        let limit = match floor.limit {
            Limit::AtMost(limit) => format!("<= {limit}"),
            Limit::AtLeast(limit) => format!(">= {limit}"),
        };
        table.row(&[floor.promise.to_owned(), limit, fine(floor.found), verdict(&floor).to_owned()]);
    }
    table.text("")
}

fn verdict(floor: &Floor) -> &'static str {
    match floor.found {
        None => "not measured",
        Some(_) if floor.holds() => "pass",
        Some(_) => "**miss**",
    }
}

fn whole(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
}

fn fine(value: Option<f64>) -> String {
    value.map_or_else(
        || "–".to_owned(),
        |value| if value.abs() < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") },
    )
}

fn finer(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// A Markdown table that is left out when it has no rows.
struct Table {
    text: String,
    rows: usize,
}

impl Table {
    fn new(heads: &[&str]) -> Self {
        let mut table = Self { text: String::new(), rows: 0 };
        table.line(heads.iter().copied());
        table.line(heads.iter().map(|_| "---"));
        table
    }

    fn row(&mut self, cells: &[String]) {
        self.line(cells.iter().map(String::as_str));
        self.rows += 1;
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        let cells: Vec<&str> = cells.collect();
        // Writing to a String does not fail.
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    /// The table with `note` below it.
    fn text(self, note: &str) -> String {
        match (self.rows, note) {
            (0, _) => String::new(),
            (_, "") => self.text,
            (_, note) => format!("{}\n{note}\n", self.text),
        }
    }
}

#[cfg(test)]
mod tests;
