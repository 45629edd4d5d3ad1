//! Walks one rule: what it calls and reads, and what it costs.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{
    ArithOp, AssignOp, Expr, ExprRef, Literal, LiteralStmt, Query, Rule, RuleAssign, RuleBody, RuleHead,
};

use super::patterns;
use super::references::{self, Reference, Step};
use super::{Body, Callee, Growth, Names, Program, never_there, static_path};
use crate::error::{PolicyError, PolicyErrorKind};

/// Most statements of one query; ordering them costs their square.
const MAX_STATEMENTS: usize = 256;
/// Stack of one rule or function call in KiB, measured at 5.
const CALL_FRAMES: u32 = 6;
/// Stack of one loop over a collection, measured at 2.1.
const LOOP_FRAMES: u32 = 3;
/// Stack of one nested query, measured below this.
const QUERY_FRAMES: u32 = 6;

pub(super) struct Collector<'a> {
    program: &'a mut Program,
    names: &'a Names,
    scopes: Vec<Scope>,
    body: Body,
}

/// The names that a query or a function declares.
#[derive(Default)]
struct Scope {
    names: BTreeSet<String>,
    /// Those of them that `some x` declares, which have no value until they are given one.
    open: BTreeSet<String>,
    /// The parts of the input that some of them stand for.
    parts: BTreeMap<String, Vec<Step>>,
}

impl From<BTreeSet<String>> for Scope {
    fn from(names: BTreeSet<String>) -> Self {
        Self { names, ..Self::default() }
    }
}

impl<'a> Collector<'a> {
    pub(super) fn new(program: &'a mut Program, names: &'a Names) -> Self {
        Self { program, names, scopes: Vec::new(), body: Body::default() }
    }

    /// The alternatives of `rule`.
    pub(super) fn rule(mut self, rule: &Rule) -> Result<Vec<Body>, PolicyError> {
        match rule {
            Rule::Default { value, .. } => {
                self.begin();
                let own = self.expr(value)?;
                Ok(vec![self.finish(own)])
            }
            Rule::Spec { head, bodies, .. } if bodies.is_empty() => {
                self.begin();
                self.declare_arguments(head)?;
                let own = self.head(head, None)?;
                Ok(vec![self.finish(own)])
            }
            Rule::Spec { head, bodies, .. } => {
                bodies.iter().map(|body| self.alternative(head, body)).collect()
            }
        }
    }

    fn begin(&mut self) {
        self.scopes = vec![Scope::default()];
        self.body = Body::default();
    }

    fn finish(&mut self, mut own: Growth) -> Body {
        own.frames = own.frames.saturating_add(CALL_FRAMES);
        let mut body = std::mem::take(&mut self.body);
        body.own = own;
        body
    }

    fn alternative(&mut self, head: &RuleHead, body: &RuleBody) -> Result<Body, PolicyError> {
        self.begin();
        self.declare_arguments(head)?;
        self.enter(&body.query)?;
        let query = self.statements(&body.query)?;
        let result = self.head(head, body.assign.as_ref())?;
        let mut own = query.then(result);
        own.frames = query.frames.saturating_add(result.frames);
        Ok(self.finish(own))
    }

    fn declare_arguments(&mut self, head: &RuleHead) -> Result<(), PolicyError> {
        if let RuleHead::Func { args, .. } = head {
            let mut declared = BTreeSet::new();
            for arg in args {
                patterns::check_new(arg)?;
                variables(arg, &mut declared);
            }
            self.scopes.push(declared.into());
        }
        Ok(())
    }

    fn head(&mut self, head: &RuleHead, assign: Option<&RuleAssign>) -> Result<Growth, PolicyError> {
        let (refr, key, args, own) = match head {
            RuleHead::Compr { refr, assign, .. } => (refr, None, &[][..], assign.as_ref()),
            RuleHead::Set { refr, key, .. } => (refr, key.as_ref(), &[][..], None),
            RuleHead::Func { refr, args, assign, .. } => (refr, None, args.as_slice(), assign.as_ref()),
        };
        let mut growth = Growth { nesting: 1, ..Growth::default() };
        for arg in args {
            growth = growth.or(self.expr(arg)?);
        }
        // The name of a rule is no reference, but the keys within it are expressions.
        let mut at = refr;
        while let Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } = at.as_ref() {
            if let Expr::RefBrack { index, .. } = at.as_ref() {
                growth = growth.then(self.expr(index)?);
            }
            at = refr;
        }
        for value in
            [key, own.map(|own| &own.value), assign.map(|assign| &assign.value)].into_iter().flatten()
        {
            let value = self.repeated(value)?;
            growth = growth.then(value);
        }
        Ok(growth)
    }

    /// Opens the scope of a query, with all names that its statements declare.
    fn enter(&mut self, query: &Query) -> Result<(), PolicyError> {
        if query.stmts.len() > MAX_STATEMENTS {
            let message =
                format!("one rule body may have {MAX_STATEMENTS} statements, found {}", query.stmts.len());
            return Err(PolicyError::at(
                PolicyErrorKind::TooComplex,
                query.span.line,
                query.span.col,
                message,
            ));
        }
        let (mut names, mut open) = (BTreeSet::new(), BTreeSet::new());
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { vars, .. } => {
                    open.extend(vars.iter().map(|var| var.text().to_owned()));
                }
                Literal::SomeIn { key, value, .. } => {
                    for pattern in key.iter().chain([value]) {
                        patterns::check_new(pattern)?;
                        variables(pattern, &mut names);
                    }
                }
                Literal::Expr { expr, .. } => {
                    if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                        patterns::check_new(lhs)?;
                        variables(lhs, &mut names);
                    }
                }
                Literal::NotExpr { .. } | Literal::Every { .. } => {}
            }
        }
        names.extend(open.iter().cloned());
        self.scopes.push(Scope { names, open, ..Scope::default() });
        for (name, from, is_element) in query.stmts.iter().filter_map(references::naming) {
            self.name_part(name, from, is_element);
        }
        Ok(())
    }

    /// Notes which part of the input `name` stands for: that of `from`, or an element of it.
    fn name_part(&mut self, name: &str, from: &Expr, is_element: bool) {
        let Some(mut part) = self.part_of_input(from) else { return };
        part.extend(is_element.then_some(Step::Any));
        if let Some(scope) = self.scopes.last_mut() {
            scope.parts.insert(name.to_owned(), part);
        }
    }

    /// The part of the input that an expression is, where its text says so.
    fn part_of_input(&self, expr: &Expr) -> Option<Vec<Step>> {
        let (root, steps) = references::chain(expr)?;
        let mut part = match self.scopes.iter().rev().find(|scope| scope.names.contains(root)) {
            Some(scope) => scope.parts.get(root).cloned()?,
            None => self.names.part_of_input(root, &self.program.sources)?,
        };
        part.extend(steps);
        (part.len() <= references::MAX_STEPS).then_some(part)
    }

    /// Notes that `at` refers to a part of the input, if it does; with `more` of its members.
    fn refer(&mut self, at: &ExprRef, more: Vec<Step>) {
        let Some(mut steps) = self.part_of_input(at) else { return };
        if matches!(at.as_ref(), Expr::Var { .. }) && more.is_empty() {
            // What a name stands for was looked at where it got it.
            return;
        }
        steps.extend(more);
        let span = references::root(at).span();
        self.program.references.push(Reference { line: span.line, column: span.col, steps });
    }

    fn statements(&mut self, query: &Query) -> Result<Growth, PolicyError> {
        let mut sum = Growth::default();
        let mut loops = 0_u32;
        for statement in &query.stmts {
            let growth = self.statement(statement)?;
            // Loops stay on the stack for the statements after them.
            loops = loops.saturating_add(looping(statement).saturating_mul(LOOP_FRAMES));
            sum = sum.then(growth);
        }
        sum.frames = sum.frames.saturating_add(loops).saturating_add(QUERY_FRAMES);
        Ok(sum)
    }

    fn query(&mut self, query: &Query, terms: &[&ExprRef]) -> Result<Growth, PolicyError> {
        self.enter(query)?;
        let mut sum = self.statements(query)?;
        let inner = sum.frames;
        for term in terms {
            let term = self.repeated(term)?;
            sum = sum.then(term);
            sum.frames = sum.frames.max(inner.saturating_add(term.frames));
        }
        self.scopes.pop();
        Ok(sum)
    }

    fn statement(&mut self, statement: &LiteralStmt) -> Result<Growth, PolicyError> {
        let mut growth = match &statement.literal {
            Literal::SomeVars { .. } => Growth::default(),
            Literal::SomeIn { key, value, collection, .. } => {
                let mut growth = self.expr(collection)?.or(self.expr(value)?);
                if let Some(key) = key {
                    growth = growth.or(self.expr(key)?);
                }
                growth
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.repeated(expr)?,
            Literal::Every { key, value, domain, query, .. } => {
                let over = self.expr(domain)?;
                let names: BTreeSet<String> =
                    key.iter().chain([value]).map(|name| name.text().to_owned()).collect();
                self.scopes.push(names.into());
                self.name_part(value.text(), domain, true);
                let query = self.query(query, &[])?;
                self.scopes.pop();
                let mut growth = over.then(query);
                growth.frames = growth.frames.saturating_add(LOOP_FRAMES);
                growth
            }
        };
        for with in &statement.with_mods {
            let path = static_path(&with.r#as);
            // `with f as g`: g is called wherever f would be. What is written there is evaluated all the same.
            let replaces_function = !path.is_empty() && !self.is_local(&path) && !self.reads_data(&path);
            if replaces_function {
                self.call_edge(&with.r#as, &path, None)?;
            }
            growth = growth.then(self.expr(&with.r#as)?);
        }
        Ok(growth)
    }

    /// An expression, with how often it repeats the value it repeats most.
    fn repeated(&mut self, expr: &ExprRef) -> Result<Growth, PolicyError> {
        let mut growth = self.expr(expr)?;
        let mut uses = BTreeMap::new();
        count_uses(expr, false, &mut uses);
        let most = uses.values().copied().max().unwrap_or(1).max(1);
        growth.doublings = growth.doublings.saturating_add(u32::BITS - (most - 1_u32).leading_zeros());
        Ok(growth)
    }

    fn expr(&mut self, expr: &ExprRef) -> Result<Growth, PolicyError> {
        let mut growth = match expr.as_ref() {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {
                return Ok(Growth { frames: 1, ..Growth::default() });
            }
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr)?,
            Expr::Array { items, .. } | Expr::Set { items, .. } => nested(self.any(items)?),
            Expr::Object { fields, .. } => {
                let mut growth = Growth::default();
                for (_, key, value) in fields {
                    growth = growth.or(self.expr(key)?).or(self.expr(value)?);
                }
                nested(growth)
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                nested(self.query(query, &[term])?)
            }
            Expr::ObjectCompr { key, value, query, .. } => nested(self.query(query, &[key, value])?),
            Expr::Call { fcn, params, .. } => {
                self.call_edge(fcn, &static_path(fcn), Some(params.len()))?;
                if let (true, [whole, keys, ..]) = (fcn.span().text() == "object.get", params.as_slice()) {
                    self.refer(whole, references::keys(keys));
                }
                self.any(params)?
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr)?,
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let mut growth = self.expr(lhs)?.then(self.expr(rhs)?);
                growth.products = growth.products.saturating_add(u32::from(*op == ArithOp::Mul));
                growth
            }
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => {
                patterns::check(lhs, &|name| self.is_bound(name))?;
                patterns::check(rhs, &|name| self.is_bound(name))?;
                self.expr(lhs)?.or(self.expr(rhs)?)
            }
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => self.expr(lhs)?.or(self.expr(rhs)?),
            Expr::Membership { key, value, collection, .. } => {
                let mut growth = self.expr(value)?.or(self.expr(collection)?);
                if let Some(key) = key {
                    growth = growth.or(self.expr(key)?);
                }
                growth
            }
        };
        growth.frames = growth.frames.saturating_add(1);
        Ok(growth)
    }

    fn any(&mut self, items: &[ExprRef]) -> Result<Growth, PolicyError> {
        items.iter().try_fold(Growth::default(), |growth, item| Ok(growth.or(self.expr(item)?)))
    }

    fn reference(&mut self, expr: &ExprRef) -> Result<Growth, PolicyError> {
        let path = static_path(expr);
        self.program.sees(&path);
        self.refer(expr, Vec::new());
        if !path.is_empty() && !self.is_local(&path) {
            let absolute = self.names.absolute(&path);
            let span = expr.span();
            let found = self.program.referenced(&absolute, (span.line, span.col))?;
            if found.is_empty() && path.first().is_some_and(|first| self.names.is_data(first)) {
                return Err(never_there(&absolute, (span.line, span.col)));
            }
            self.body.references.extend(found);
        }
        let mut growth = Growth::default();
        let mut at = expr;
        loop {
            match at.as_ref() {
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    patterns::check(index, &|name| self.is_bound(name))?;
                    growth = growth.or(self.expr(index)?);
                    at = refr;
                }
                Expr::Var { .. } => return Ok(growth),
                _ => return Ok(growth.or(self.expr(at)?)),
            }
            growth.frames = growth.frames.saturating_add(1);
        }
    }

    fn is_local(&self, path: &[String]) -> bool {
        path.first().is_some_and(|first| self.scopes.iter().any(|scope| scope.names.contains(first)))
    }

    /// Whether a name has a value before the statement that it stands in.
    fn is_bound(&self, name: &str) -> bool {
        match self.scopes.iter().rev().find(|scope| scope.names.contains(name)) {
            Some(scope) => !scope.open.contains(name),
            None => self.reads_data(&[name.to_owned()]),
        }
    }

    /// Whether the path reads a value: `input`, `data` below no function, or a rule of this module.
    fn reads_data(&self, path: &[String]) -> bool {
        let absolute = self.names.absolute(path);
        match self.program.index.get(&absolute).and_then(|node| self.program.nodes.get(*node)) {
            Some(node) => !node.is_function,
            None => path.first().is_some_and(|first| {
                first == "input" || first == "data" || self.names.aliases.contains_key(first)
            }),
        }
    }

    fn call_edge(
        &mut self,
        at: &ExprRef,
        path: &[String],
        arguments: Option<usize>,
    ) -> Result<(), PolicyError> {
        let span = at.span();
        let refuse = |message| PolicyError::at(PolicyErrorKind::Function, span.line, span.col, message);
        match self.program.callee(self.names, path).map_err(refuse)? {
            Callee::Defined(node) => self.body.calls.push(node),
            Callee::Print => {}
            Callee::Builtin(builtin) => {
                if let Some(found) = arguments.filter(|found| !builtin.takes(*found)) {
                    let message =
                        format!("`{}` takes {} arguments, found {found}", builtin.name, builtin.arity);
                    return Err(refuse(message));
                }
            }
        }
        Ok(())
    }
}

fn nested(mut inner: Growth) -> Growth {
    inner.nesting = inner.nesting.saturating_add(1);
    inner
}

/// The names that a pattern binds.
fn variables(pattern: &ExprRef, found: &mut BTreeSet<String>) {
    match pattern.as_ref() {
        Expr::Var { span, .. } => {
            found.insert(span.text().to_owned());
        }
        Expr::Array { items, .. } => items.iter().for_each(|item| variables(item, found)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| variables(value, found)),
        _ => {}
    }
}

/// Counts the names that stand in constructed values.
fn count_uses<'a>(expr: &'a ExprRef, constructed: bool, uses: &mut BTreeMap<&'a str, u32>) {
    match expr.as_ref() {
        Expr::Var { span, .. } if constructed => {
            let count = uses.entry(span.text()).or_default();
            *count = count.saturating_add(1);
        }
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => count_uses(refr, constructed, uses),
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            for item in items {
                count_uses(item, true, uses);
            }
        }
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
            count_uses(key, true, uses);
            count_uses(value, true, uses);
        }),
        Expr::Call { params, .. } => params.iter().for_each(|param| count_uses(param, true, uses)),
        Expr::AssignExpr { rhs, .. } => count_uses(rhs, constructed, uses),
        Expr::ArithExpr { lhs, rhs, .. }
        | Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. } => {
            count_uses(lhs, constructed, uses);
            count_uses(rhs, constructed, uses);
        }
        _ => {}
    }
}

/// How many loops a statement may open.
fn looping(statement: &LiteralStmt) -> u32 {
    match &statement.literal {
        Literal::SomeVars { .. } => 0,
        Literal::SomeIn { collection, .. } => 1 + loops_in(collection),
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => loops_in(expr),
        Literal::Every { domain, .. } => 1 + loops_in(domain),
    }
}

fn loops_in(expr: &ExprRef) -> u32 {
    let all = |items: &[ExprRef]| items.iter().map(loops_in).fold(0, u32::saturating_add);
    match expr.as_ref() {
        Expr::RefBrack { refr, index, .. } => {
            let written =
                matches!(index.as_ref(), Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. });
            u32::from(!written) + loops_in(refr) + loops_in(index)
        }
        Expr::RefDot { refr, .. } => loops_in(refr),
        Expr::Array { items, .. } | Expr::Set { items, .. } => all(items),
        Expr::Object { fields, .. } => {
            fields.iter().map(|(_, key, value)| loops_in(key) + loops_in(value)).sum()
        }
        Expr::Call { fcn, params, .. } => u32::from(fcn.span().text() == "walk") + all(params),
        Expr::UnaryExpr { expr, .. } => loops_in(expr),
        Expr::ArithExpr { lhs, rhs, .. }
        | Expr::BinExpr { lhs, rhs, .. }
        | Expr::BoolExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => loops_in(lhs) + loops_in(rhs),
        Expr::Membership { key, value, collection, .. } => {
            key.as_ref().map_or(0, loops_in) + loops_in(value) + loops_in(collection)
        }
        _ => 0,
    }
}
