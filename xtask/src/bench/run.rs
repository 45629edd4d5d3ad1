//! One scenario: rounds in which every target gets its turn.

use std::collections::BTreeMap;

use super::figures::{Figures, Lone, Round};
use super::scenario::Scenario;
use super::world::{Load, Request, World};
use super::{Plan, Target, neighbours};

/// Connections of a crowd.
const CROWD: u32 = 32;
/// How long a target is warmed up before its first round, in seconds.
const WARM_UP: f64 = 0.5;
/// An audit record has more bytes than this.
const SMALLEST_RECORD: f64 = 100.0;

/// Measures one scenario on all targets that it is for.
pub(super) fn measure(
    scenario: Scenario,
    plan: Plan,
    world: &mut World,
    figures: &mut Figures,
) -> Result<(), String> {
    let mut targets: Vec<Target> = figures
        .targets()
        .iter()
        .copied()
        .filter(|target| !scenario.is_token() || target.is_gatehouse())
        .collect();
    let credentials: BTreeMap<Target, String> = targets
        .iter()
        .map(|target| Ok((*target, world.credential(scenario, *target)?)))
        .collect::<Result<_, String>>()?;
    let audit_before = audit_bytes(world, &targets)?;
    let mut seen = Seen::default();
    for round in 0..plan.rounds {
        println!("== {scenario}, round {} of {}", round + 1, plan.rounds);
        let mut results = Round { busy: neighbours::busy()?, ..Round::default() };
        if let Some(algorithm) = scenario.algorithm() {
            results.signing = Some(world.signing(algorithm, plan.seconds / 2.0)?);
        }
        for target in &targets {
            let credential = credentials.get(target).map(String::as_str).unwrap_or_default();
            let request = world.request(scenario, *target, credential)?;
            if round == 0 {
                world.load(&request, if scenario.has_crowd() { CROWD } else { 1 }, WARM_UP)?;
            }
            let turn = Turn { scenario, target: *target, request, plan };
            turn.take(world, &mut results, &mut seen)?;
            figures.memory_under_load(world, *target)?;
        }
        figures.add(scenario, results);
        // Whoever was first is last in the next round.
        targets.rotate_left(1);
    }
    let grown = audit_bytes(world, &targets)? - audit_before;
    let needed = seen.requests_of_gatehouse * SMALLEST_RECORD;
    if grown < needed {
        return Err(format!(
            "{} requests of {scenario} left only {grown} bytes of audit records",
            seen.requests_of_gatehouse
        ));
    }
    Ok(())
}

/// What replies had in common so far.
#[derive(Default)]
struct Seen {
    bytes_per_reply: Option<f64>,
    requests_of_gatehouse: f64,
}

struct Turn {
    scenario: Scenario,
    target: Target,
    request: Request,
    plan: Plan,
}

impl Turn {
    fn take(&self, world: &World, results: &mut Round, seen: &mut Seen) -> Result<(), String> {
        if self.scenario.has_crowd() {
            let before = self.cpu(world)?;
            let load = self.load(world, CROWD, seen)?;
            let cpu = before.zip(self.cpu(world)?).map(|(before, after)| after - before);
            results.crowds.insert(self.target, super::figures::Crowd::new(&load, cpu));
        }
        let load = self.load(world, 1, seen)?;
        let spread = if self.scenario == Scenario::LlmTtft { &load.first_token_us } else { &load.latency_us };
        results.lone.insert(self.target, Lone { p50: spread.p50, p99: spread.p99 });
        Ok(())
    }

    /// A run whose replies are all what they should be.
    fn load(&self, world: &World, connections: u32, seen: &mut Seen) -> Result<Load, String> {
        let load = world.load(&self.request, connections, self.plan.seconds)?;
        let (scenario, target) = (self.scenario, self.target);
        let is_answered = load.statuses.keys().all(|status| status == "200") && load.errors.is_empty();
        if !is_answered || load.requests < 1.0 {
            let (statuses, errors) = (&load.statuses, &load.errors);
            let problem = format!("{scenario} through {target}: statuses {statuses:?}, errors {errors:?}");
            return Err(world.blame(target, &problem));
        }
        let events = load.events / load.requests;
        if let Some(expected) = scenario.events().filter(|expected| (expected - events).abs() > 1e-9) {
            return Err(format!(
                "{scenario} through {target}: {events} events a reply instead of {expected}"
            ));
        }
        let bytes = load.bytes / load.requests;
        let expected = *seen.bytes_per_reply.get_or_insert(bytes);
        if scenario.is_verbatim() && (bytes - expected).abs() > 1e-9 {
            return Err(format!("{scenario} through {target}: {bytes} bytes a reply instead of {expected}"));
        }
        if target.is_gatehouse() {
            seen.requests_of_gatehouse += load.requests;
        }
        Ok(load)
    }

    fn cpu(&self, world: &World) -> Result<Option<f64>, String> {
        world.process(self.target).map(super::process::Process::cpu_seconds).transpose()
    }
}

/// Bytes of audit records of all targets so far.
#[expect(clippy::cast_precision_loss, reason = "files of a bench are far below 2^53 bytes")]
fn audit_bytes(world: &World, targets: &[Target]) -> Result<f64, String> {
    targets.iter().map(|target| Ok(world.audit_bytes(*target)? as f64)).sum()
}
