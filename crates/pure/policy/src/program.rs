//! What the parsed modules may do, known before any of it runs.
//!
//! The interpreter recurses with the policy: a function that calls itself, or a long enough chain of calls, would
//! end the process. Rego cannot loop otherwise, so the call graph bounds the stack, the nesting of every value and
//! the size of every number; each bound is computed here and refused when it is too large.

mod body;
mod bounds;
mod extents;
mod patterns;
mod references;

use std::collections::BTreeMap;

use regorus::unstable::{Expr, ExprRef, Module, Ref, Rule, RuleHead};

use crate::builtin::{self, Builtin};
use crate::error::{PolicyError, PolicyErrorKind};
use crate::reads::Reads;

use body::Collector;
pub(crate) use bounds::Growth;
use references::Sources;
pub(crate) use references::{Reference, Step};

/// Most references between rules; a policy of ordinary shape has a few per rule.
const MAX_EDGES: usize = 200_000;

/// One rule or function, all its definitions together.
#[derive(Debug, Default)]
struct Node {
    name: String,
    line: u32,
    column: u32,
    is_function: bool,
    bodies: Vec<Body>,
}

/// One alternative of a rule: its own costs and what it uses.
#[derive(Debug, Default)]
struct Body {
    own: Growth,
    calls: Vec<usize>,
    references: Vec<usize>,
}

/// What checked modules use.
#[derive(Debug)]
pub(crate) struct Uses {
    /// The built-ins that they call.
    pub(crate) builtins: Vec<&'static Builtin>,
    /// The parts of the input that any of their rules can see.
    pub(crate) reads: Reads,
    /// Where their rules refer to the input, in the order of the text.
    pub(crate) references: Vec<Reference>,
    /// The rules that they define.
    pub(crate) rules: Rules,
}

/// Rules by their full names.
#[derive(Debug)]
pub(crate) struct Rules(BTreeMap<String, bool>);

/// What rules make of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Defined {
    /// It is the name of a rule.
    Rule,
    /// It is the name of a function.
    Function,
    /// Rules define what is below it, or what it is a part of.
    Parts,
    /// No rule has to do with it.
    Not,
}

impl Rules {
    /// What there is at `path`.
    pub(crate) fn at(&self, path: &str) -> Defined {
        let below = format!("{path}.");
        let mut above = path;
        match self.0.get(path) {
            Some(true) => return Defined::Function,
            Some(false) => return Defined::Rule,
            None => {}
        }
        if self.0.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below)) {
            return Defined::Parts;
        }
        while let Some((parent, _)) = above.rsplit_once('.') {
            if self.0.get(parent) == Some(&false) {
                return Defined::Parts;
            }
            above = parent;
        }
        Defined::Not
    }

    /// Refuses a path that [`overlooked`] rules have to do with.
    pub(crate) fn reach(&self, path: &str) -> Result<(), String> {
        overlooked(&self.0, path).map_or(Ok(()), |by| Err(ambiguous(path, by)))
    }

    /// The names of all that are no functions.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, is_function)| !**is_function).map(|(name, _)| name.as_str())
    }
}

/// The rule with a computed name that the engine would not ask for what is at `path`.
///
/// It asks the rules of the longest name that `path` begins with. Where `q[name] := 1` stands beside `q.b := 2`, it would
/// find what is at `q.b` without what the first rule has there.
fn overlooked<'a, T>(index: &'a BTreeMap<String, T>, path: &str) -> Option<&'a str> {
    let parents = path.match_indices('.').filter_map(|(at, _)| path.split_at_checked(at));
    parents.filter_map(|(parent, rest)| Some((index.get_key_value(parent)?.0, parent, rest))).find_map(
        |(by, parent, rest)| {
            let step = rest.get(1..)?.split('.').next()?;
            let name = format!("{parent}.{step}");
            let below = format!("{name}.");
            let within =
                index.range(below.clone()..).next().is_some_and(|(name, _)| name.starts_with(&below));
            (within || index.contains_key(&name)).then_some(by.as_str())
        },
    )
}

fn ambiguous(path: &str, by: &str) -> String {
    format!(
        "`{path}` is defined by its name and by rules of `{by}` with computed names: read it as `x := {by}[name]…`, with \
         the name in a variable"
    )
}

/// A reference to data that no rule defines: in OPA it is undefined, and whatever depends on it is as if it were not written.
fn never_there(path: &str, (line, column): (u32, u32)) -> PolicyError {
    let message = format!(
        "`{path}` is never there: no rule of this policy defines it, and policies have no `data` documents; write what it \
         stands for into the policy"
    );
    PolicyError::at(PolicyErrorKind::Undefined, line, column, message)
}

/// Checks `modules` and names what they use.
pub(crate) fn check(modules: &[Ref<Module>]) -> Result<Uses, PolicyError> {
    extents::check(modules)?;
    let mut program = Program::declare(modules);
    for module in modules {
        program.collect(module)?;
    }
    bounds::check(&program.nodes)?;
    let is_function = |at: usize| program.nodes.get(at).is_some_and(|node| node.is_function);
    let rules = Rules(program.index.iter().map(|(name, at)| (name.clone(), is_function(*at))).collect());
    let mut references = program.references;
    references.sort();
    references.dedup();
    Ok(Uses { builtins: program.builtins.into_values().collect(), reads: program.reads, references, rules })
}

struct Program {
    nodes: Vec<Node>,
    index: BTreeMap<String, usize>,
    builtins: BTreeMap<&'static str, &'static Builtin>,
    reads: Reads,
    references: Vec<Reference>,
    sources: Sources,
    edges: usize,
}

/// What a call or a function name refers to.
enum Callee {
    Defined(usize),
    Builtin(&'static Builtin),
    Print,
}

/// The package and the imports that names in a module are read with.
struct Names {
    package: String,
    aliases: BTreeMap<String, String>,
}

impl Program {
    fn declare(modules: &[Ref<Module>]) -> Self {
        let mut program = Self {
            nodes: Vec::new(),
            index: BTreeMap::new(),
            builtins: BTreeMap::new(),
            reads: Reads::NOTHING,
            references: Vec::new(),
            sources: Sources::default(),
            edges: 0,
        };
        for module in modules {
            let package = package_of(module);
            for rule in &module.policy {
                let (refr, is_function) = head(rule);
                let name = format!("{package}.{}", defined(rule).join("."));
                let nodes = &mut program.nodes;
                let node = *program.index.entry(name.clone()).or_insert_with(|| {
                    let span = refr.span();
                    nodes.push(Node { name, line: span.line, column: span.col, ..Node::default() });
                    nodes.len() - 1
                });
                if let Some(node) = nodes.get_mut(node) {
                    node.is_function |= is_function;
                }
            }
        }
        program.sources = Sources::of(modules);
        program
    }

    fn collect(&mut self, module: &Ref<Module>) -> Result<(), PolicyError> {
        let names = Names::of(module);
        for import in &module.imports {
            self.sees(&static_path(&import.refr));
        }
        for rule in &module.policy {
            let name = format!("{}.{}", names.package, defined(rule).join("."));
            let Some(node) = self.index.get(&name).copied() else { continue };
            let bodies = Collector::new(self, &names).rule(rule)?;
            if let Some(node) = self.nodes.get_mut(node) {
                node.bodies.extend(bodies);
            }
        }
        Ok(())
    }

    /// Takes note of a path that begins at the input; at a name of that kind, even where a rule calls its own so.
    fn sees(&mut self, path: &[String]) {
        if let Some((_, below)) = path.split_first().filter(|(root, _)| *root == "input") {
            self.reads.add(below);
        }
    }

    /// The rules that a path reads: those at it, under it, and the one it reaches into.
    fn referenced(&mut self, path: &str, (line, column): (u32, u32)) -> Result<Vec<usize>, PolicyError> {
        if let Some(by) = overlooked(&self.index, path) {
            return Err(PolicyError::at(PolicyErrorKind::Conflict, line, column, ambiguous(path, by)));
        }
        let mut found = Vec::new();
        let mut prefix = path;
        loop {
            found.extend(self.index.get(prefix).copied());
            match prefix.rsplit_once('.') {
                Some((parent, _)) => prefix = parent,
                None => break,
            }
        }
        let below = format!("{path}.");
        found.extend(
            self.index
                .range(below.clone()..)
                .take_while(|(name, _)| name.starts_with(&below))
                .map(|(_, at)| *at),
        );
        self.edges += found.len();
        if self.edges > MAX_EDGES {
            let message = format!("the rules refer to each other more than {MAX_EDGES} times");
            return Err(PolicyError::new(PolicyErrorKind::TooComplex, message));
        }
        Ok(found)
    }

    /// What `path` names when it is called as a function.
    fn callee(&mut self, names: &Names, path: &[String]) -> Result<Callee, String> {
        let written = path.join(".");
        let absolute = names.absolute(path);
        if let Some(at) = self.index.get(&absolute).or_else(|| self.index.get(&written)).copied() {
            // The engine would go on to a built-in of its own by that name, past the table and its guards.
            return match self.nodes.get(at) {
                Some(node) if node.is_function => Ok(Callee::Defined(at)),
                _ => Err(format!("`{written}` is a rule of this policy and no function")),
            };
        }
        if written == "print" {
            return Ok(Callee::Print);
        }
        let found = builtin::find(&written)?;
        self.builtins.insert(found.name, found);
        Ok(Callee::Builtin(found))
    }
}

impl Names {
    fn of(module: &Module) -> Self {
        let mut aliases = BTreeMap::new();
        for import in &module.imports {
            let path = static_path(&import.refr);
            let alias =
                import.r#as.as_ref().map(|span| span.text().to_owned()).or_else(|| path.last().cloned());
            if let Some(alias) = alias {
                aliases.insert(alias, path.join("."));
            }
        }
        Self { package: package_of(module), aliases }
    }

    /// Whether a name in this module is a part of `data` as it is written: others may also be local.
    fn is_data(&self, name: &str) -> bool {
        name == "data" || self.aliases.get(name).is_some_and(|path| path.starts_with("data."))
    }

    /// The full path of a name in this module, starting at `data` or `input`.
    fn absolute(&self, path: &[String]) -> String {
        let (first, rest) = path.split_first().map_or(("", path), |(first, rest)| (first.as_str(), rest));
        let start = match first {
            "data" | "input" => first.to_owned(),
            _ => self.aliases.get(first).cloned().unwrap_or_else(|| format!("{}.{first}", self.package)),
        };
        rest.iter().fold(start, |mut path, part| {
            path.push('.');
            path.push_str(part);
            path
        })
    }
}

fn package_of(module: &Module) -> String {
    format!("data.{}", static_path(&module.package.refr).join("."))
}

fn head(rule: &Rule) -> (&ExprRef, bool) {
    match rule {
        Rule::Default { refr, args, .. } => (refr, !args.is_empty()),
        Rule::Spec { head: RuleHead::Func { refr, .. }, .. } => (refr, true),
        Rule::Spec { head: RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. }, .. } => (refr, false),
    }
}

/// The names of what a rule defines, up to the first part that is not written out.
pub(crate) fn defined(rule: &Rule) -> Vec<String> {
    let (refr, _) = head(rule);
    match (rule, refr.as_ref()) {
        // The older way to write an element of a set.
        (Rule::Spec { head: RuleHead::Set { key: None, .. }, .. }, Expr::RefBrack { refr, .. }) => {
            static_path(refr)
        }
        _ => static_path(refr),
    }
}

/// The leading names of a reference, up to the first part that is not written out.
fn static_path(expr: &Expr) -> Vec<String> {
    let mut steps = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                steps.push(Some(field.0.text().to_owned()));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                let name = match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => {
                        value.as_string().ok().map(ToString::to_string)
                    }
                    _ => None,
                };
                steps.push(name);
                at = refr;
            }
            Expr::Var { span, .. } => {
                steps.push(Some(span.text().to_owned()));
                break;
            }
            _ => return Vec::new(),
        }
    }
    steps.into_iter().rev().map_while(|step| step).collect()
}

#[cfg(test)]
mod tests;
