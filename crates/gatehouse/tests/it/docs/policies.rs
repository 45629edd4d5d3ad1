use gatehouse_policy::testing::{Verdict, run};
use gatehouse_policy::{Policy, PolicyOptions, PolicySource};

use super::markdown::pages;

#[test]
fn every_policy_compiles_and_passes_its_tests() {
    let (mut policies, mut tests) = (0, 0);
    for page in pages() {
        let mut before: Option<PolicySource> = None;
        for block in page.blocks() {
            let at = page.at(block.line);
            let source = PolicySource { name: at.clone(), text: block.text };
            match block.info {
                "rego" => {
                    policies += 1;
                    let compiled = Policy::compile(&source, &PolicyOptions::default());
                    assert!(compiled.is_ok(), "{at}: {:?}", compiled.err());
                    before = Some(source);
                }
                "rego test" => {
                    let outcomes =
                        run(&[before.clone().expect("a policy before its tests"), source]).unwrap();
                    assert!(!outcomes.is_empty(), "{at}: no rule is called `test_*`");
                    tests += outcomes.len();
                    for outcome in outcomes {
                        assert_eq!(outcome.verdict, Verdict::Passed, "{at}: {}", outcome.name);
                    }
                }
                other => assert!(!other.starts_with("rego"), "{at}: `{other}`"),
            }
        }
    }
    assert!(policies >= 4 && tests >= 6, "{policies} policies, {tests} tests");
}
