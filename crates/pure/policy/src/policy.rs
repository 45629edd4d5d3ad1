//! One compiled policy.

mod entry;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use regorus::utils::limits::{ExecutionTimerConfig, LimitError, PolicyLengthConfig, monotonic_now};
use regorus::{Engine, Value};
use rustix::time::{ClockId, clock_gettime};

use crate::builtin::{Builtin, Meter, to_rego};
use crate::decision::{Decision, DenyReason, Outcome};
use crate::error::{PolicyError, PolicyErrorKind};
use crate::input::{self, Input, InputDigest, Point, UnknownFact};
use crate::memory::Memory;
use crate::pace::{Ended, Pace, Turn};
use crate::program::{self, Reference, Uses};
use crate::reads::{Reads, Seen};
use crate::scan;

use entry::Entry;

/// How long one evaluation may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_millis(25);
/// How long it may take once more, when the processor was busy with others.
const SECOND_LIMIT: Duration = Duration::from_millis(5);
/// Interpreter steps between two looks at the clock; a step takes well under a microsecond.
const STEPS_PER_CHECK: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

/// The text of a policy and the name it has in configuration, log and audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Its configured name, or its file.
    pub name: String,
    /// Rego.
    pub text: String,
}

impl PolicySource {
    /// The longest text that is read.
    pub const MAX_BYTES: usize = scan::MAX_BYTES;
}

/// How to read a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyOptions {
    /// The version of Rego.
    pub version: RegoVersion,
    /// The package that the policy must declare, without `data.`.
    pub package: String,
    /// The rule in that package that decides.
    pub entry: String,
}

/// The version of the Rego language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegoVersion {
    /// v1, and v0 when the text is no v1.
    #[default]
    Auto,
    /// Bodies without `if`.
    V0,
    /// Bodies with `if`, as OPA 1.0 and later read.
    V1,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self { version: RegoVersion::Auto, package: "orchestrator".into(), entry: "result".into() }
    }
}

/// A policy that has passed every check, ready to decide on any thread.
#[derive(Clone)]
pub struct Policy {
    name: String,
    /// The path of what decides, for people.
    answer: String,
    /// The rule that is evaluated for it.
    rule: String,
    version: RegoVersion,
    engine: Engine,
    guarded: Vec<&'static Builtin>,
    reads: Reads,
    references: Arc<[Reference]>,
    /// None for a policy that looks at the clock.
    memory: Option<Arc<Memory>>,
    pace: Arc<Pace>,
}

/// Who has a policy asked, and when, by any clock that does not go back.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// The network that the request came from.
    pub network: IpAddr,
    /// The time.
    pub now: Duration,
}

/// What became of asking a policy.
pub enum Consulted {
    /// It has decided.
    Decided(Answered),
    /// It may take long, so it is asked elsewhere.
    Open(Box<Question>),
}

/// A decision, and what it changed for those who ask next.
#[derive(Debug)]
pub struct Answered {
    /// The decision.
    pub decision: Decision,
    /// Whether the policy is cut short from now on, or no more.
    pub turn: Option<Turn>,
}

/// A question to one policy, which any thread may answer.
pub struct Question {
    policy: Policy,
    values: Value,
    now_ns: i64,
    sight: Option<InputDigest>,
    network: IpAddr,
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy").field("name", &self.name).field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Policy {
    /// Checks and compiles `source`. The worst text within the limits takes well under a second.
    pub fn compile(source: &PolicySource, options: &PolicyOptions) -> Result<Self, PolicyError> {
        let (mut engine, version) = load(std::slice::from_ref(source), options.version)?;
        let Uses { builtins, reads, references, rules } = program::check(engine.get_modules())?;
        let Entry { answer, rule } = Entry::find(&mut engine, options, &rules)?;
        let is_timeless =
            reads.member("time").is_none() && builtins.iter().all(|builtin| !builtin.is_clock());
        let memory = is_timeless.then(|| Arc::new(Memory::new()));
        let guarded = builtins.into_iter().filter(|builtin| builtin.is_guarded()).collect();
        let pace = Arc::new(Pace::unknown());
        let name = source.name.clone();
        Ok(Self {
            name,
            answer,
            rule,
            version,
            engine,
            guarded,
            reads,
            references: references.into(),
            memory,
            pace,
        })
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its rules refer to and no input of `point` has, each where it is named first: what depends on it is as if
    /// it were not written.
    pub fn unknown_facts(&self, point: Point) -> Vec<UnknownFact> {
        let mut known = BTreeSet::new();
        let found = self.references.iter().filter_map(|reference| input::unknown(reference, point));
        found.filter(|fact| known.insert(fact.path.clone())).collect()
    }

    /// The version of Rego that the text turned out to be; never [`RegoVersion::Auto`].
    pub fn version(&self) -> RegoVersion {
        self.version
    }

    /// Decides on `input`. Allows only when the entry rule is an object whose `allowed` is `true`.
    ///
    /// What the policy reads and has decided on before, it is not asked again.
    pub fn evaluate(&self, input: &Input<'_>) -> Decision {
        let Some(memory) = &self.memory else { return self.evaluate_anew(input) };
        let sight = input.sight(&self.reads);
        memory.recall(&sight).unwrap_or_else(|| {
            let decision = self.evaluate_anew(input);
            memory.keep(sight, &decision);
            decision
        })
    }

    /// Decides on `input` whatever was decided before.
    pub fn evaluate_anew(&self, input: &Input<'_>) -> Decision {
        self.decide(input.values(&self.reads), input.now_ns()).0
    }

    /// Decides on `input` at once when that takes no longer than a millisecond: from memory, by a policy that is quick,
    /// or not at all by one that keeps running into its limit.
    pub fn consult(&self, input: &Input<'_>, asker: Asker) -> Consulted {
        let Asker { network, now } = asker;
        let sight = self.memory.as_ref().map(|_| input.sight(&self.reads));
        if let Some(decision) =
            self.memory.as_ref().zip(sight.as_ref()).and_then(|(known, at)| known.recall(at))
        {
            return Consulted::Decided(Answered { decision, turn: None });
        }
        if self.pace.is_cut(network, now) {
            return Consulted::Decided(self.cut_short());
        }
        let values = input.values(&self.reads);
        if self.pace.is_quick() && self.pace.begin(network, now) {
            // It is over by then, or nearly so.
            return Consulted::Decided(self.settle(values, input.now_ns(), sight, (network, &|| now)));
        }
        let policy = self.clone();
        Consulted::Open(Box::new(Question { policy, values, now_ns: input.now_ns(), sight, network }))
    }

    /// A number that no other policy has as long as this one or a clone of it is there.
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.pace).addr()
    }

    /// Evaluates, and keeps in mind what came of it.
    fn settle(
        &self,
        values: Value,
        now_ns: i64,
        sight: Option<InputDigest>,
        (network, now): (IpAddr, &dyn Fn() -> Duration),
    ) -> Answered {
        let (decision, spent) = self.decide(values, now_ns);
        if let Some((memory, sight)) = self.memory.as_ref().zip(sight) {
            memory.keep(sight, &decision);
        }
        let ended = match decision.outcome {
            Outcome::Deny(DenyReason::Timeout | DenyReason::Limit) => Ended::AtLimit,
            Outcome::Allow | Outcome::Deny(_) => Ended::Answered,
        };
        let turn = self.pace.ended(network, spent, ended, now());
        Answered { decision, turn }
    }

    fn cut_short(&self) -> Answered {
        let message = "the policy ran into its limit several times in a row and is not evaluated for a while";
        Answered { decision: Decision::failed(&self.name, DenyReason::CutShort, message), turn: None }
    }

    /// Decides on an input written by hand, as `policy eval` reads it; `time.now_ns()` is `input.time.now_ns`, or 0.
    pub fn evaluate_json(&self, input: &serde_json::Value) -> Decision {
        let now_ns = input.pointer("/time/now_ns").and_then(serde_json::Value::as_i64).unwrap_or(0);
        self.decide(to_rego(input), now_ns).0
    }

    /// The attributes of a person that the policy can see, by name: in `user.claims`, and in what is made of them.
    pub fn user_attributes_seen(&self) -> Seen<'_> {
        let mut seen = self.reads.seen(&["user", "claims"]);
        if let Seen::Members(names) = &mut seen
            && ["groups", "groups_complete"].iter().any(|part| self.reads.sees(&["user", part]))
        {
            names.push("groups");
        }
        seen
    }

    #[cfg(test)]
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The decision, and for how long it took a processor.
    fn decide(&self, input: Value, now_ns: i64) -> (Decision, Duration) {
        let (result, spent) = run(&self.engine, &self.guarded, &self.rule, input, now_ns);
        let decision = match result {
            Ok(value) => self.read(&value),
            Err((reason, message)) => Decision::failed(&self.name, reason, message),
        };
        (decision, spent)
    }

    fn read(&self, result: &Value) -> Decision {
        if *result == Value::Undefined {
            let message = format!("`{}` has no value for this input", self.answer);
            return Decision::failed(&self.name, DenyReason::Undefined, message);
        }
        let allowed = result.as_object().ok().and_then(|_| result["allowed"].as_bool().ok().copied());
        let Some(allowed) = allowed else {
            let message = format!("`{}` is no object with a boolean `allowed`", self.answer);
            return Decision::failed(&self.name, DenyReason::Malformed, message);
        };
        let message = |name: &str| result[name].as_string().ok().map(ToString::to_string);
        Decision {
            outcome: if allowed { Outcome::Allow } else { Outcome::Deny(DenyReason::Rule) },
            policy: self.name.clone(),
            internal_message: message("internal_message"),
            external_message: message("external_message"),
        }
    }
}

impl Question {
    /// The policy that is asked.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Has the policy decide, unless it was found meanwhile that it does not get to it. `now` is the clock of
    /// [`Asker`].
    pub fn answer(self: Box<Self>, now: &dyn Fn() -> Duration) -> Answered {
        let Self { policy, values, now_ns, sight, network } = *self;
        if policy.pace.begin(network, now()) {
            policy.settle(values, now_ns, sight, (network, now))
        } else {
            policy.cut_short()
        }
    }
}

type Evaluated = Result<Value, (DenyReason, String)>;

/// Evaluates `rule`; says also for how long it took a processor.
///
/// The time limit is read off the clock on the wall. When that ran out although this thread hardly had the processor,
/// the machine was busy with others and the policy is not to blame: it gets a little more, once.
pub(crate) fn run(
    engine: &Engine,
    guarded: &[&'static Builtin],
    rule: &str,
    input: Value,
    now_ns: i64,
) -> (Evaluated, Duration) {
    let before = processor_time();
    let (first, wall) = attempt(engine.clone(), guarded, rule, (input.clone(), now_ns), TIME_LIMIT);
    // A second look at the processor's time is worth it only where it decides something.
    let spent = match wall {
        Some(wall) if wall < Duration::from_millis(1) => wall,
        _ => processor_time().saturating_sub(before),
    };
    match first {
        Err((DenyReason::Timeout, _)) if spent < SECOND_LIMIT => {
            let mut engine = engine.clone();
            engine.set_execution_timer_config(timer(SECOND_LIMIT));
            let (second, _wall) = attempt(engine, guarded, rule, (input, now_ns), SECOND_LIMIT);
            (second, processor_time().saturating_sub(before))
        }
        first => (first, spent),
    }
}

/// For how long this thread has had a processor.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// One evaluation, on a copy of the engine: the copy costs less than a lock, and its clock starts now. Says also how
/// long it took; `limit` is what the engine is set to.
fn attempt(
    mut engine: Engine,
    guarded: &[&'static Builtin],
    rule: &str,
    (input, now_ns): (Value, i64),
    limit: Duration,
) -> (Evaluated, Option<Duration>) {
    let meter = Arc::new(Meter::new(now_ns));
    for builtin in guarded {
        builtin.install(&mut engine, &meter);
    }
    engine.set_input(input);
    let started = monotonic_now();
    let result = engine.eval_rule(rule.to_owned());
    // The engine may forget its own timeout within one alternative of a function, so time is read once more.
    let elapsed = monotonic_now().zip(started).map(|(now, started)| now.saturating_sub(started));
    let evaluated = if let Some(message) = meter.tripped() {
        Err((DenyReason::Limit, message))
    } else if elapsed.is_none_or(|elapsed| elapsed > limit) {
        let message = format!("the evaluation took longer than {} ms", TIME_LIMIT.as_millis());
        Err((DenyReason::Timeout, message))
    } else {
        result.map_err(|error| failure(&error))
    };
    (evaluated, elapsed)
}

fn failure(error: &anyhow::Error) -> (DenyReason, String) {
    let located = PolicyError::from_engine(PolicyErrorKind::Syntax, &error.to_string());
    let reason = match error.downcast_ref::<LimitError>() {
        Some(_) => DenyReason::Limit,
        None if is_conflict(&located.message) => DenyReason::Conflict,
        None => DenyReason::Error,
    };
    (reason, located.to_string())
}

fn is_conflict(message: &str) -> bool {
    let words = ["conflict", "multiple outputs", "multiple values", "multiple times"];
    words.iter().any(|words| message.contains(words))
}

const fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: STEPS_PER_CHECK }
}

/// Parses `sources` as one version of Rego after the scan of each.
pub(crate) fn load(
    sources: &[PolicySource],
    version: RegoVersion,
) -> Result<(Engine, RegoVersion), PolicyError> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    engine.set_gather_prints(true);
    engine.set_execution_timer_config(timer(TIME_LIMIT));
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::MIN.saturating_add(scan::MAX_COLUMNS - 1),
        max_file_bytes: NonZeroUsize::MIN.saturating_add(scan::MAX_BYTES - 1),
        max_lines: NonZeroUsize::MIN.saturating_add(scan::MAX_LINES - 1),
    });
    let mut found = RegoVersion::V1;
    for source in sources {
        let words = scan::check(&source.text)?;
        // Reading it as v0 would tell of names where there are keywords.
        let version =
            if version == RegoVersion::Auto && words.are_newer() { RegoVersion::V1 } else { version };
        found = add(&mut engine, source, version)?;
    }
    Ok((engine, found))
}

fn add(engine: &mut Engine, source: &PolicySource, version: RegoVersion) -> Result<RegoVersion, PolicyError> {
    let mut parse = |v0: bool| {
        engine.set_rego_v0(v0);
        let parsed = engine.add_policy(source.name.clone(), source.text.clone());
        parsed.map_err(|error| PolicyError::from_engine(PolicyErrorKind::Syntax, &error.to_string()))
    };
    let first = match version {
        RegoVersion::V0 => return parse(true).map(|_| RegoVersion::V0),
        RegoVersion::V1 | RegoVersion::Auto => parse(false),
    };
    match first {
        Ok(_) => Ok(RegoVersion::V1),
        Err(error) if version == RegoVersion::V1 => Err(error),
        // Neither version: the complaint of the newer one is the better help, unless it is only about the version.
        Err(error) => parse(true)
            .map(|_| RegoVersion::V0)
            .map_err(|older| if error.message.contains("keyword is required") { older } else { error }),
    }
}

#[cfg(test)]
mod tests;
