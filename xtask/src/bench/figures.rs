//! What was measured, and the medians of it.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use super::Target;
use super::process::Memory;
use super::scenario::Scenario;
use super::world::{Load, World};

/// How long a server has nothing to do before its idle memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Everything that one bench found out.
pub(super) struct Figures {
    targets: Vec<Target>,
    rounds: BTreeMap<Scenario, Vec<Round>>,
    memory: BTreeMap<Target, Resident>,
}

/// One round of one scenario.
#[derive(Default)]
pub(super) struct Round {
    pub(super) crowds: BTreeMap<Target, Crowd>,
    pub(super) lone: BTreeMap<Target, Lone>,
    /// The percentage of the machine that others used just before.
    pub(super) busy: f64,
    /// Tokens a second that were signed with no server around it.
    pub(super) signing: Option<f64>,
}

/// Many connections at once.
#[derive(Clone, Copy)]
pub(super) struct Crowd {
    pub(super) requests_per_second: f64,
    pub(super) events_per_second: f64,
    /// Processor time a request; none for `direct`.
    pub(super) cpu_us: Option<f64>,
}

/// One connection: time of a whole reply, or to the first token.
#[derive(Clone, Copy)]
pub(super) struct Lone {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// Resident memory of one server, in MB.
#[derive(Clone, Copy, Default)]
pub(super) struct Resident {
    pub(super) idle: f64,
    pub(super) loaded: f64,
    pub(super) peak: f64,
}

impl Crowd {
    /// `cpu_seconds` is what the server used meanwhile.
    pub(super) fn new(load: &Load, cpu_seconds: Option<f64>) -> Self {
        Self {
            requests_per_second: load.requests / load.seconds,
            events_per_second: load.events / load.seconds,
            cpu_us: cpu_seconds.map(|seconds| seconds * 1e6 / load.requests),
        }
    }
}

impl Figures {
    pub(super) fn new(targets: &[Target]) -> Self {
        Self { targets: targets.to_vec(), rounds: BTreeMap::new(), memory: BTreeMap::new() }
    }

    pub(super) fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Those that were run, in their order.
    pub(super) fn scenarios(&self) -> impl Iterator<Item = Scenario> {
        self.rounds.keys().copied()
    }

    pub(super) fn memory(&self, target: Target) -> Option<Resident> {
        self.memory.get(&target).copied()
    }

    pub(super) fn add(&mut self, scenario: Scenario, round: Round) {
        self.rounds.entry(scenario).or_default().push(round);
    }

    pub(super) fn memory_when_idle(&mut self, world: &World) -> Result<(), String> {
        sleep(SETTLE);
        self.note_memory(world, |resident, memory| resident.idle = resident.idle.max(memory.now))
    }

    pub(super) fn memory_under_load(&mut self, world: &World, target: Target) -> Result<(), String> {
        if let Some(process) = world.process(target) {
            let now = process.memory()?.now;
            let resident = self.memory.entry(target).or_default();
            resident.loaded = resident.loaded.max(now);
        }
        Ok(())
    }

    pub(super) fn memory_at_most(&mut self, world: &World) -> Result<(), String> {
        self.note_memory(world, |resident, memory| {
            // The kernel notes the peak a little late.
            resident.peak = resident.peak.max(memory.peak).max(resident.loaded);
        })
    }

    fn note_memory(&mut self, world: &World, note: impl Fn(&mut Resident, Memory)) -> Result<(), String> {
        for target in &self.targets {
            if let Some(process) = world.process(*target) {
                note(self.memory.entry(*target).or_default(), process.memory()?);
            }
        }
        Ok(())
    }

    /// The percentage of the machine that others used before rounds: the median, and the most.
    pub(super) fn busy(&self) -> Option<(f64, f64)> {
        let looks: Vec<f64> = self.rounds.values().flatten().map(|round| round.busy).collect();
        let most = looks.iter().copied().fold(0.0, f64::max);
        Some((median(looks)?, most))
    }

    /// The median over the rounds of what `pick` finds in a round.
    pub(super) fn median(&self, scenario: Scenario, pick: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.rounds.get(&scenario)?.iter().filter_map(pick).collect())
    }

    /// What `pick` finds at `target` with many connections.
    pub(super) fn crowd(
        &self,
        scenario: Scenario,
        target: Target,
        pick: impl Fn(&Crowd) -> Option<f64>,
    ) -> Option<f64> {
        self.median(scenario, |round| round.crowds.get(&target).and_then(&pick))
    }

    /// What `pick` finds at `target` with one connection.
    pub(super) fn lone(
        &self,
        scenario: Scenario,
        target: Target,
        pick: impl Fn(&Lone) -> f64,
    ) -> Option<f64> {
        self.median(scenario, |round| round.lone.get(&target).map(&pick))
    }

    /// What `target` adds to no proxy at all, compared within each round.
    pub(super) fn added(
        &self,
        scenario: Scenario,
        target: Target,
        pick: impl Fn(&Lone) -> f64,
    ) -> Option<f64> {
        self.median(scenario, |round| {
            let direct = round.lone.get(&Target::Direct)?;
            (target != Target::Direct).then_some(pick(round.lone.get(&target)?) - pick(direct))
        })
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle).copied()?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests;
