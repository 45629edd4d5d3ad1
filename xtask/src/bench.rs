//! `cargo xtask bench`: Gatehouse, nginx and no proxy at all, side by side on one machine.
//!
//! What is measured has the first core for itself; load and upstreams share the second. Targets take turns round by
//! round, and medians are reported, so that a noisy neighbour hits all of them or counts for little.

mod figures;
mod floors;
mod neighbours;
mod process;
mod report;
mod run;
mod scenario;
mod world;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::figures::Figures;
use self::scenario::Scenario;
use self::world::World;
use crate::step::Step;

/// What is asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Fewer and shorter rounds: tells whether it works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// How often everything is measured, with servers that are started anew: the same binary can differ by a tenth from
    /// one start to the next, by where its memory happens to be.
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Rounds of each figure in a pass, instead of 5.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Length of one run in a round, instead of 4 seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// One scenario instead of all.
    #[arg(long, value_name = "NAME")]
    only: Option<Scenario>,
    /// What to measure; floors need all three.
    #[arg(long, value_delimiter = ',', default_values_t = Target::ALL)]
    targets: Vec<Target>,
    /// An older binary of Gatehouse that takes its turn in every round, to compare with.
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// Put the figures into docs/PERFORMANCE.md.
    #[arg(long)]
    write: bool,
}

/// What a request goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Target {
    /// Nothing: load generator to upstream
    Direct,
    /// nginx as plain reverse proxy
    Nginx,
    /// Gatehouse with tokens, policies and audit
    Gatehouse,
    /// The same of an older binary
    #[value(skip)]
    Before,
}

impl Target {
    /// Those that need no binary from elsewhere.
    const ALL: [Self; 3] = [Self::Direct, Self::Nginx, Self::Gatehouse];

    /// Whether tokens, policies and audit records are at work.
    const fn is_gatehouse(self) -> bool {
        matches!(self, Self::Gatehouse | Self::Before)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::Gatehouse => "gatehouse",
            Self::Before => "before",
        })
    }
}

/// How long is measured.
#[derive(Clone, Copy)]
struct Plan {
    rounds: usize,
    /// Of one run.
    seconds: f64,
}

/// Builds, measures, prints, and writes the page if asked to.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), String> {
    let mut targets: Vec<Target> =
        Target::ALL.into_iter().filter(|target| options.targets.contains(target)).collect();
    let is_whole = options.only.is_none() && targets == Target::ALL;
    if options.write && !is_whole {
        return Err("--write needs all scenarios and all targets: leave out --only and --targets".to_owned());
    }
    let plan =
        if options.quick { Plan { rounds: 3, seconds: 1.0 } } else { Plan { rounds: 5, seconds: 4.0 } };
    let plan = Plan {
        rounds: options.rounds.map_or(plan.rounds, usize::from),
        seconds: options.seconds.unwrap_or(plan.seconds),
    };
    build(root, &targets)?;
    let before = options.before.as_deref();
    targets.extend(before.map(|_| Target::Before));
    let mut figures = Figures::new(&targets);
    for pass in 0..options.passes {
        if options.passes > 1 {
            println!("== pass {} of {}", pass + 1, options.passes);
        }
        let mut world = World::open(root, &targets, before)?;
        figures.memory_when_idle(&world)?;
        for scenario in Scenario::ALL.into_iter().filter(|one| options.only.is_none_or(|only| only == *one)) {
            if scenario.is_token() && !targets.iter().any(|target| target.is_gatehouse()) {
                println!("== {scenario}: only gatehouse issues tokens, and it is not among the targets");
                continue;
            }
            run::measure(scenario, plan, &mut world, &mut figures)?;
        }
        figures.memory_at_most(&world)?;
        // Whoever was started first is started last in the next pass.
        targets.rotate_left(1);
    }
    let page = report::markdown(&figures, plan, root)?;
    println!("{page}");
    if options.write { report::write(&page, root) } else { Ok(()) }
}

/// Separately, so that Gatehouse is built exactly as it is shipped.
fn build(root: &Path, targets: &[Target]) -> Result<(), String> {
    let mut packages = vec!["gatehouse-bench"];
    if targets.contains(&Target::Gatehouse) {
        packages.push("gatehouse");
    }
    packages.into_iter().try_for_each(|package| {
        Step::cargo(root).args(["build", "--release", "--locked", "--package", package]).run()
    })
}
