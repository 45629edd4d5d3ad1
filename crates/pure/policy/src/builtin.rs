//! The functions that a policy may call, each with the bound it runs under.
//!
//! The engine's clock is not read inside a function, so whatever could run long or allocate much is measured before
//! it runs. What is not listed cannot be called at all.

mod encoding;
mod fit;
mod format;
mod glob;
mod guard;
mod json;
mod jwt;
mod net;
mod number;
mod object;
mod pattern;
mod semver;
mod text;
mod time;

use std::sync::Arc;

use regorus::unstable::{BUILTINS, Expr, Ref, Span};
use regorus::{Engine, Source, Value};

use fit::{Fitted, Misfit};
pub(crate) use guard::Meter;
use guard::{Exceeded, Guard};
pub(crate) use json::to_rego;

/// The function that reads the clock, the only one that is more than its arguments.
const NOW: &str = "time.now_ns";

/// One function.
#[derive(Debug)]
pub(crate) struct Builtin {
    /// Its name in Rego.
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arity: u8,
    run: Run,
}

#[derive(Clone, Copy, Debug)]
enum Run {
    /// The engine's own, cheap whatever its arguments.
    Engine,
    /// The engine's own, after a look at its arguments.
    Guarded(Guard),
    /// The engine's own, with arguments that it reads as OPA would.
    Fitted(Guard, fn(&[Value]) -> Fitted),
    /// Ours.
    Own(fn(&[Value], &Meter) -> Result<Value, Exceeded>),
}

impl Builtin {
    const fn engine(name: &'static str, arity: u8) -> Self {
        Self { name, arity, run: Run::Engine }
    }

    const fn guarded(name: &'static str, arity: u8, guard: Guard) -> Self {
        Self { name, arity, run: Run::Guarded(guard) }
    }

    const fn fitted(name: &'static str, arity: u8, guard: Guard, fit: fn(&[Value]) -> Fitted) -> Self {
        Self { name, arity, run: Run::Fitted(guard, fit) }
    }

    const fn own(
        name: &'static str,
        arity: u8,
        run: fn(&[Value], &Meter) -> Result<Value, Exceeded>,
    ) -> Self {
        Self { name, arity, run: Run::Own(run) }
    }

    /// Whether a call may have `found` arguments; the engine's own functions may name their result as one more.
    pub(crate) fn takes(&self, found: usize) -> bool {
        let arity = usize::from(self.arity);
        found == arity || (found == arity + 1 && BUILTINS.contains_key(self.name))
    }

    /// Whether [`Self::install`] has anything to do.
    pub(crate) fn is_guarded(&self) -> bool {
        !matches!(self.run, Run::Engine)
    }

    /// Whether it tells the time, so that the same call need not have the same value.
    pub(crate) fn is_clock(&self) -> bool {
        self.name == NOW
    }

    /// Puts the guard before the function in `engine`, for one evaluation.
    pub(crate) fn install(&'static self, engine: &mut Engine, meter: &Arc<Meter>) {
        let meter = Arc::clone(meter);
        let run = move |arguments: Vec<Value>| {
            self.call(&arguments, &meter).map_err(|exceeded| {
                meter.trip(self.name, exceeded);
                anyhow::anyhow!("`{}`: {exceeded}", self.name)
            })
        };
        // The only failure is a second function of that name, and names in the table are unique.
        let _ = engine.add_extension(self.name.to_owned(), self.arity, Box::new(run));
    }

    fn call(&self, arguments: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
        match self.run {
            Run::Own(run) => run(arguments, meter),
            Run::Guarded(guard) => {
                guard.check(arguments, meter)?;
                Ok(call_engine(self.name, arguments))
            }
            Run::Fitted(guard, fit) => match fit(arguments) {
                Ok(fitted) => {
                    guard.check(arguments, meter)?;
                    Ok(call_engine(self.name, &fitted))
                }
                Err(Misfit::Undefined) => Ok(Value::Undefined),
                Err(Misfit::Refused(exceeded)) => Err(exceeded),
            },
            Run::Engine => Ok(call_engine(self.name, arguments)),
        }
    }
}

/// The engine's function called `name`. OPA's way with errors of built-ins: the call is undefined.
fn call_engine(name: &str, arguments: &[Value]) -> Value {
    let Some((function, _)) = BUILTINS.get(name) else { return Value::Undefined };
    let Ok(source) = Source::from_contents(String::new(), String::new()) else { return Value::Undefined };
    let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
    let parameter = Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
    let parameters = vec![parameter; arguments.len()];
    function(&span, &parameters, arguments, false).unwrap_or(Value::Undefined)
}

/// The function called `name`, or why a policy may not call it.
pub(crate) fn find(name: &str) -> Result<&'static Builtin, String> {
    if let Some(found) = TABLE.iter().find(|builtin| builtin.name == name) {
        return Ok(found);
    }
    let refusal = match name {
        "http.send" | "net.lookup_ip_addr" => "policies may not reach the network",
        "opa.runtime" | "rego.metadata.chain" | "rego.metadata.rule" => {
            "policies may not read their environment"
        }
        "rand.intn" | "uuid.rfc4122" => "a decision may not be random",
        "json.patch" | "json.match_schema" | "json.verify_schema" | "graph.reachable_paths" | "trace" => {
            "is not offered because its cost cannot be bounded"
        }
        _ if ["io.jwt.", "crypto.", "net.", "graphql.", "providers.", "yaml.", "uuid.", "rego."]
            .iter()
            .any(|prefix| name.starts_with(prefix)) =>
        {
            "is not offered"
        }
        _ => "neither the policy nor Gatehouse defines this function",
    };
    Err(format!("`{name}`: {refusal}"))
}

#[expect(clippy::unnecessary_wraps, reason = "has the shape of every function of the table")]
fn now_ns(_: &[Value], meter: &Meter) -> Result<Value, Exceeded> {
    Ok(Value::from(meter.now_ns()))
}

static TABLE: &[Builtin] = &[
    Builtin::engine("abs", 1),
    Builtin::engine("ceil", 1),
    Builtin::engine("floor", 1),
    Builtin::engine("round", 1),
    Builtin::engine("count", 1),
    Builtin::engine("is_array", 1),
    Builtin::engine("is_boolean", 1),
    Builtin::engine("is_null", 1),
    Builtin::engine("is_number", 1),
    Builtin::engine("is_object", 1),
    Builtin::engine("is_set", 1),
    Builtin::engine("is_string", 1),
    Builtin::engine("type_name", 1),
    Builtin::engine("bits.and", 2),
    Builtin::engine("bits.or", 2),
    Builtin::engine("bits.xor", 2),
    Builtin::engine("bits.negate", 1),
    Builtin::engine("bits.rsh", 2),
    Builtin::engine("contains", 2),
    Builtin::engine("startswith", 2),
    Builtin::engine("endswith", 2),
    Builtin::own("net.cidr_contains", 2, net::contains),
    Builtin::own("net.cidr_is_valid", 1, net::is_valid),
    Builtin::own("net.cidr_intersects", 2, net::intersects),
    Builtin::own("net.cidr_merge", 1, net::merge),
    Builtin::own("net.cidr_contains_matches", 2, net::contains_matches),
    Builtin::guarded("bits.lsh", 2, Guard::Shift),
    Builtin::guarded("max", 1, Guard::Linear),
    Builtin::guarded("min", 1, Guard::Linear),
    Builtin::guarded("sum", 1, Guard::Linear),
    Builtin::guarded("sort", 1, Guard::Linear),
    Builtin::guarded("product", 1, Guard::Product),
    Builtin::guarded("array.concat", 2, Guard::Linear),
    Builtin::guarded("array.reverse", 1, Guard::Linear),
    Builtin::guarded("array.slice", 3, Guard::Linear),
    Builtin::guarded("intersection", 1, Guard::Linear),
    Builtin::guarded("union", 1, Guard::Linear),
    Builtin::guarded("object.get", 3, Guard::Shallow),
    Builtin::guarded("object.keys", 1, Guard::Linear),
    Builtin::guarded("object.filter", 2, Guard::Linear),
    Builtin::guarded("object.remove", 2, Guard::Linear),
    Builtin::own("object.subset", 2, object::subset),
    Builtin::guarded("object.union", 2, Guard::Linear),
    Builtin::guarded("object.union_n", 1, Guard::Linear),
    Builtin::fitted("json.filter", 2, Guard::Pairs, fit::paths),
    Builtin::fitted("json.remove", 2, Guard::Pairs, fit::paths),
    Builtin::fitted("json.is_valid", 1, Guard::Linear, fit::json_text),
    Builtin::guarded("json.marshal", 1, Guard::Linear),
    Builtin::guarded("json.marshal_with_options", 2, Guard::Linear),
    Builtin::own("json.unmarshal", 1, json::unmarshal),
    Builtin::guarded("walk", 1, Guard::Linear),
    Builtin::guarded("graph.reachable", 2, Guard::Linear),
    Builtin::fitted("to_number", 1, Guard::Number, fit::number),
    Builtin::fitted("units.parse", 1, Guard::Number, fit::units),
    Builtin::fitted("units.parse_bytes", 1, Guard::Number, fit::units),
    Builtin::fitted("format_int", 2, Guard::Linear, fit::format_int),
    Builtin::fitted("numbers.range", 2, Guard::Range, fit::range),
    Builtin::fitted("numbers.range_step", 3, Guard::Range, fit::range),
    Builtin::own("net.cidr_expand", 1, net::expand),
    Builtin::guarded("concat", 2, Guard::Concat),
    Builtin::fitted("indexof", 2, Guard::TextPairs, fit::index),
    Builtin::fitted("indexof_n", 2, Guard::TextPairs, fit::index),
    Builtin::own("lower", 1, text::lower),
    Builtin::own("upper", 1, text::upper),
    Builtin::guarded("replace", 3, Guard::Replace),
    Builtin::guarded("split", 2, Guard::Split),
    Builtin::own("sprintf", 2, format::sprintf),
    Builtin::guarded("strings.any_prefix_match", 2, Guard::Pairs),
    Builtin::guarded("strings.any_suffix_match", 2, Guard::Pairs),
    Builtin::own("strings.count", 2, text::count),
    Builtin::own("strings.replace_n", 2, text::replace_many),
    Builtin::guarded("strings.reverse", 1, Guard::Linear),
    Builtin::fitted("substring", 3, Guard::Linear, fit::substring),
    Builtin::guarded("trim", 2, Guard::TextPairs),
    Builtin::guarded("trim_left", 2, Guard::TextPairs),
    Builtin::guarded("trim_right", 2, Guard::TextPairs),
    Builtin::guarded("trim_prefix", 2, Guard::Linear),
    Builtin::guarded("trim_suffix", 2, Guard::Linear),
    Builtin::guarded("trim_space", 1, Guard::Linear),
    Builtin::fitted("base64.decode", 1, Guard::Linear, encoding::standard),
    Builtin::guarded("base64.encode", 1, Guard::Linear),
    Builtin::fitted("base64.is_valid", 1, Guard::Linear, encoding::validity),
    Builtin::fitted("base64url.decode", 1, Guard::Linear, encoding::url_safe),
    Builtin::guarded("base64url.encode", 1, Guard::Linear),
    Builtin::guarded("base64url.encode_no_pad", 1, Guard::Linear),
    Builtin::guarded("hex.decode", 1, Guard::Linear),
    Builtin::guarded("hex.encode", 1, Guard::Linear),
    Builtin::fitted("urlquery.decode", 1, Guard::Linear, fit::escaped),
    Builtin::fitted("urlquery.decode_object", 1, Guard::Linear, fit::escaped_object),
    Builtin::own("urlquery.encode", 1, encoding::query),
    Builtin::own("urlquery.encode_object", 1, encoding::query_object),
    Builtin::own("glob.match", 3, glob::matches),
    Builtin::own("glob.quote_meta", 1, glob::quote),
    Builtin::fitted("regex.find_all_string_submatch_n", 3, Guard::Matches, pattern::first),
    Builtin::fitted("regex.find_n", 3, Guard::Matches, pattern::first),
    Builtin::fitted("regex.is_valid", 1, Guard::Pattern, pattern::validity),
    Builtin::fitted("regex.match", 2, Guard::Pattern, pattern::first),
    Builtin::fitted("regex.replace", 3, Guard::Matches, pattern::replacement),
    Builtin::own("regex.split", 2, glob::split),
    Builtin::own("regex.template_match", 4, glob::template),
    Builtin::own("semver.compare", 2, semver::compare),
    Builtin::own("semver.is_valid", 1, semver::is_valid),
    Builtin::own("time.add_date", 4, time::add_date),
    Builtin::guarded("time.clock", 1, Guard::Short),
    Builtin::guarded("time.date", 1, Guard::Short),
    Builtin::guarded("time.diff", 2, Guard::Short),
    Builtin::fitted("time.format", 1, Guard::Short, time::format),
    Builtin::fitted("time.parse_duration_ns", 1, Guard::Short, time::duration),
    Builtin::fitted("time.parse_ns", 2, Guard::Short, time::parse),
    Builtin::fitted("time.parse_rfc3339_ns", 1, Guard::Short, fit::rfc3339),
    Builtin::guarded("time.weekday", 1, Guard::Short),
    Builtin::own(NOW, 0, now_ns),
    Builtin::own("io.jwt.decode", 1, jwt::decode),
];

#[cfg(test)]
mod tests;
