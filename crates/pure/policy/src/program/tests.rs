use super::bounds::{Growth, check};
use super::*;

fn node(name: &str, calls: &[usize], nesting: u32) -> Node {
    let own = Growth { nesting, ..Growth::default() };
    let body = Body { own, calls: calls.to_vec(), references: Vec::new() };
    Node { name: name.into(), line: 1, column: 1, is_function: true, bodies: vec![body] }
}

#[test]
fn sums_follow_every_call() {
    // Each function calls the next twice: 2^n wrappings.
    let mut nodes: Vec<Node> = (0..8).map(|at| node("f", &[at + 1, at + 1], 1)).collect();
    nodes.push(node("g", &[], 1));
    assert_eq!(check(&nodes).unwrap_err().kind, PolicyErrorKind::TooComplex);
    nodes.drain(..2).for_each(drop);
    for node in &mut nodes {
        for body in &mut node.bodies {
            body.calls.iter_mut().for_each(|call| *call -= 2);
        }
    }
    check(&nodes).unwrap();
}

#[test]
fn a_deep_graph_does_not_overflow_the_check() {
    let mut nodes: Vec<Node> = (0..200_000).map(|at| node("f", &[at + 1], 0)).collect();
    nodes.push(node("end", &[0], 0));
    assert_eq!(check(&nodes).unwrap_err().kind, PolicyErrorKind::Recursion);
}
