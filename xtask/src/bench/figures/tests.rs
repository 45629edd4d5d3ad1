use super::super::Target;
use super::super::scenario::Scenario;
use super::{Crowd, Figures, Lone, Round, median};

fn round(direct: f64, nginx: f64) -> Round {
    let mut round = Round::default();
    for (target, p50) in [(Target::Direct, direct), (Target::Nginx, nginx)] {
        round.lone.insert(target, Lone { p50, p99: 10.0 * p50 });
    }
    let crowd = Crowd { requests_per_second: 1_000.0, events_per_second: 0.0, cpu_us: Some(nginx) };
    round.crowds.insert(Target::Nginx, crowd);
    round
}

#[test]
fn a_median_stands_in_the_middle() {
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn what_is_added_is_compared_within_a_round() {
    let mut figures = Figures::new(&[Target::Direct, Target::Nginx]);
    // The second round was slow as a whole; the medians of each target alone would say otherwise.
    for (direct, nginx) in [(10.0, 15.0), (100.0, 106.0), (11.0, 18.0)] {
        figures.add(Scenario::McpCall, round(direct, nginx));
    }
    let added = |target| figures.added(Scenario::McpCall, target, |lone| lone.p50);
    assert_eq!(added(Target::Nginx), Some(6.0));
    assert_eq!(added(Target::Direct), None);
    assert_eq!(added(Target::Gatehouse), None);
    assert_eq!(figures.crowd(Scenario::McpCall, Target::Nginx, |crowd| crowd.cpu_us), Some(18.0));
    assert_eq!(figures.crowd(Scenario::LlmJson, Target::Nginx, |crowd| crowd.cpu_us), None);
}
