use super::super::Target;
use super::super::figures::{Crowd, Figures, Lone, Round};
use super::super::scenario::Scenario;
use super::{Table, compared, filled, judged, scenarios};

#[test]
fn figures_go_between_the_markers_and_nothing_else_changes() {
    let page = "# Performance\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nWhy.\n";
    let expected = "# Performance\n<!-- bench:begin -->\nnew\n<!-- bench:end -->\nWhy.\n";
    assert_eq!(filled(page, "new\n").as_deref(), Some(expected));
    assert_eq!(filled(expected, "new\n").as_deref(), Some(expected));
    assert_eq!(filled("# Performance\n", "new\n"), None);
}

#[test]
fn a_table_without_rows_is_left_out() {
    assert_eq!(Table::new(&["a"]).text("note"), "");
}

#[test]
fn floors_are_kept_missed_or_not_measured() {
    let mut round = Round::default();
    for (target, cpu, p50) in
        [(Target::Direct, 0.0, 20.0), (Target::Nginx, 10.0, 30.0), (Target::Gatehouse, 39.0, 60.0)]
    {
        let cpu_us = (target != Target::Direct).then_some(cpu);
        round.crowds.insert(target, Crowd { requests_per_second: 1.0, events_per_second: 0.0, cpu_us });
        round.lone.insert(target, Lone { p50, p99: p50 });
    }
    let mut figures = Figures::new(&Target::ALL);
    figures.add(Scenario::LlmJson, round);
    let judged = judged(&figures);
    assert!(judged.contains("| llm-json: CPU a request, times nginx | <= 4 | 3.90 | pass |"), "{judged}");
    let missed = "| llm-json: p50 added at one connection, times nginx | <= 2.5 | 4.00 | **miss** |";
    assert!(judged.contains(missed), "{judged}");
    assert!(
        judged.contains("| mcp-call: CPU a request, times nginx | <= 6 | – | not measured |"),
        "{judged}"
    );
    assert!(
        scenarios(&figures)
            .contains("| llm-json | gatehouse | 1 | 39.0 | 3.90 | 60.0 | 40.0 | 4.00 | 60.0 | 40.0 |")
    );
}

#[test]
fn an_older_binary_is_compared_within_each_round() {
    let mut figures = Figures::new(&[Target::Gatehouse, Target::Before]);
    // The second round was slow as a whole; the medians of each binary alone would say otherwise.
    for (now, before) in [(10.0, 20.0), (100.0, 200.0), (12.0, 24.0)] {
        let mut round = Round::default();
        for (target, us) in [(Target::Gatehouse, now), (Target::Before, before)] {
            let crowd = Crowd { requests_per_second: 1e6 / us, events_per_second: 0.0, cpu_us: Some(us) };
            round.crowds.insert(target, crowd);
            round.lone.insert(target, Lone { p50: us, p99: 2.0 * us });
        }
        figures.add(Scenario::TokenEs256, round);
    }
    let compared = compared(&figures);
    assert!(compared.contains("| token-es256 | 2.00 | 2.00 | 2.00 | 2.00 |"), "{compared}");
    assert_eq!(super::compared(&Figures::new(&Target::ALL)), "");
}
