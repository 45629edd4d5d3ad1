//! Cycles, and the sums over the call graph.

use std::collections::HashSet;

use super::Node;
use crate::error::{PolicyError, PolicyErrorKind};

/// Deepest evaluation, in units of about one KiB of stack; a quarter of a 2 MiB thread.
const MAX_FRAMES: u32 = 512;
/// How many levels a policy may wrap around the values it is given.
const MAX_NESTING: u32 = 256;
/// How often a policy may double the size of a value by naming it twice.
const MAX_DOUBLINGS: u32 = 20;
/// Most multiplications one after the other; each doubles the digits of a number.
const MAX_PRODUCTS: u32 = 10;

/// What one evaluation adds, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Stack, in about KiB.
    pub(crate) frames: u32,
    /// Levels of arrays, objects and sets around a given value.
    pub(crate) nesting: u32,
    /// Doublings of the size of a given value.
    pub(crate) doublings: u32,
    /// Multiplications in a row.
    pub(crate) products: u32,
}

impl Growth {
    /// One after the other on the same value.
    pub(super) fn then(self, next: Self) -> Self {
        Self {
            frames: self.frames.max(next.frames),
            nesting: self.nesting.saturating_add(next.nesting),
            doublings: self.doublings.saturating_add(next.doublings),
            products: self.products.saturating_add(next.products),
        }
    }

    /// Either of the two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            frames: self.frames.max(other.frames),
            nesting: self.nesting.max(other.nesting),
            doublings: self.doublings.max(other.doublings),
            products: self.products.max(other.products),
        }
    }
}

/// Refuses cycles and sums beyond the limits.
pub(super) fn check(nodes: &[Node]) -> Result<(), PolicyError> {
    let mut growth: Vec<Option<Growth>> = vec![None; nodes.len()];
    for start in 0..nodes.len() {
        visit(nodes, start, &mut growth)?;
    }
    Ok(())
}

/// Depth first with an explicit stack: the graph may be deeper than ours.
fn visit(nodes: &[Node], start: usize, growth: &mut [Option<Growth>]) -> Result<(), PolicyError> {
    let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut open = HashSet::new();
    let mut next = Some(start);
    loop {
        if let Some(at) = next.take() {
            if growth.get(at).is_some_and(Option::is_some) {
                // Known already.
            } else if open.contains(&at) {
                return Err(cycle(nodes, &path, at));
            } else {
                open.insert(at);
                path.push((at, uses(nodes, at)));
            }
        }
        let Some((at, pending)) = path.last_mut() else { return Ok(()) };
        if let Some(used) = pending.pop() {
            next = Some(used);
            continue;
        }
        let at = *at;
        path.pop();
        open.remove(&at);
        let sum = total(nodes, at, growth);
        if let Some(node) = nodes.get(at) {
            limits(node, sum)?;
        }
        if let Some(slot) = growth.get_mut(at) {
            *slot = Some(sum);
        }
    }
}

fn uses(nodes: &[Node], at: usize) -> Vec<usize> {
    let bodies = nodes.get(at).map(|node| node.bodies.as_slice()).unwrap_or_default();
    let mut used: Vec<usize> =
        bodies.iter().flat_map(|body| body.calls.iter().chain(&body.references)).copied().collect();
    used.sort_unstable();
    used.dedup();
    used
}

fn total(nodes: &[Node], at: usize, growth: &[Option<Growth>]) -> Growth {
    let known = |node: &usize| growth.get(*node).copied().flatten().unwrap_or_default();
    let bodies = nodes.get(at).map(|node| node.bodies.as_slice()).unwrap_or_default();
    bodies.iter().fold(Growth::default(), |sum, body| {
        let calls = body.calls.iter().map(known).fold(Growth::default(), Growth::then);
        let references = body.references.iter().map(known).fold(Growth::default(), Growth::or);
        let used = calls.then(references);
        let mut whole = body.own.then(used);
        whole.frames = body.own.frames.saturating_add(used.frames);
        sum.or(whole)
    })
}

fn limits(node: &Node, sum: Growth) -> Result<(), PolicyError> {
    let checks = [
        (sum.frames, MAX_FRAMES, "calls, loops and expressions nest too deep"),
        (sum.nesting, MAX_NESTING, "values nest too deep"),
        (sum.doublings, MAX_DOUBLINGS, "values repeat each other too often"),
        (sum.products, MAX_PRODUCTS, "too many multiplications follow one another"),
    ];
    for (found, limit, what) in checks {
        if found > limit {
            let message = format!("{what} in `{}`: at most {limit}, found {found}", node.name);
            return Err(PolicyError::at(PolicyErrorKind::TooComplex, node.line, node.column, message));
        }
    }
    Ok(())
}

fn cycle(nodes: &[Node], path: &[(usize, Vec<usize>)], at: usize) -> PolicyError {
    let name = |node: usize| nodes.get(node).map_or("?", |node| node.name.as_str());
    let from = path.iter().position(|(node, _)| *node == at).unwrap_or(0);
    let mut names: Vec<&str> = path.iter().skip(from).map(|(node, _)| name(*node)).collect();
    names.push(name(at));
    let message = format!("a rule or function may not depend on itself: {}", names.join(" -> "));
    let (line, column) = nodes.get(at).map_or((1, 1), |node| (node.line, node.column));
    PolicyError::at(PolicyErrorKind::Recursion, line, column, message)
}
