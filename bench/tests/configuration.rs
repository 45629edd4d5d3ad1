//! The configuration that is measured is one that Gatehouse accepts.

use gatehouse_config::document::Document;
use gatehouse_config::snapshot::compile;
use gatehouse_config::source::Source;
use gatehouse_config::source::environment::Environment;
use gatehouse_config::source::loader::MemoryLoader;

#[test]
fn the_measured_configuration_compiles() {
    let environment: Environment = [
        ("BENCH_GATEHOUSE_PORT", "19420"),
        ("BENCH_ADMIN_PORT", "19421"),
        ("BENCH_UPSTREAM_PORT", "19422"),
        ("BENCH_CLIENT_SECRET", "uX3rG7pK1vM9zQ5w"),
        ("BENCH_GATEWAY_SECRET", "nH2dC8sJ4bL6tY0e"),
        ("BENCH_PROVIDER_KEY", "sk-ant-bench-only-4f9a"),
    ]
    .into_iter()
    .collect();
    let loader = MemoryLoader::empty();
    let source = Source::new("bench/gatehouse.yaml", include_str!("../gatehouse.yaml"));
    let snapshot =
        Document::read(&source, &environment, &loader).and_then(|document| compile(document, &loader));
    let snapshot = snapshot.unwrap_or_else(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    });
    let llm = snapshot.llm.expect("an LLM gateway");
    assert!(llm.protection.is_some() && !llm.inbound.is_empty());
    assert_eq!(snapshot.audit.path, "audit.jsonl");
}
