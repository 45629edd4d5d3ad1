//! The questions to an audit log that the pages ask with `jq`, asked of the log of a gateway that was used.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gatehouse_testkit::browser::sign_in;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::mcp::Client;
use gatehouse_testkit::process::wait_for;
use gatehouse_testkit::raw_http::Request;
use serde_json::{Value, json};

use super::markdown::page;

/// A world whose tokens name Ada by her address, and in which a tool is hidden from her.
fn world() -> World {
    let mut world = World::new(&crate::binary(), "");
    let text = std::mem::take(&mut world.configuration);
    let mapped = text.replace("claimsMapping: { name: staff.name }", "claimsMapping: { sub: staff.email }");
    let open = "    authorization:\n      outbound: { type: unprotected }\n";
    let hiding = "    authorization:\n      listing:\n        opa:\n          name: nobody\n          rego: |\n            package orchestrator\n            default result := {\"allowed\": false}\n      outbound: { type: unprotected }\n";
    assert!(mapped != text && mapped.matches(open).count() == 1);
    world.configuration = mapped.replace(open, hiding);
    world
}

/// Every line of a page that asks `jq`.
fn questions(path: &str) -> Vec<String> {
    let page = page(path);
    let lines = page.blocks().into_iter().flat_map(|block| {
        block.text.lines().filter(|line| line.starts_with("jq ")).map(str::to_owned).collect::<Vec<_>>()
    });
    lines.collect()
}

fn ask(folder: &Path, question: &str) -> Vec<Value> {
    let run = Command::new("sh").arg("-c").arg(question).current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{question}: {errors} (jq has to be installed)");
    let values = serde_json::Deserializer::from_slice(&run.stdout).into_iter();
    values.map(|value| value.unwrap_or_else(|error| panic!("{question}: {error}"))).collect()
}

fn events(records: &[Value]) -> BTreeSet<&str> {
    records.iter().filter_map(|record| record["event"].as_str()).collect()
}

#[test]
fn every_question_of_the_pages_has_its_answer() {
    let world = world();
    let gateway = world.serve();
    let signed_in = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let with_token = |request: Request| request.bearer(&signed_in.access_token);
    let client = Client::modern(&gateway, "/mcp", &with_token);
    client.list();
    client.call("ledger_whoami", &json!({}));
    gateway.send(&Request::get("/v1/models"));
    let question = json!({
        "model": "claude-opus-4-7", "max_tokens": 16, "messages": [{ "role": "user", "content": "hello" }],
    });
    let asked = Request::json("/v1/messages", &question).header("anthropic-version", "2023-06-01");
    gateway.send(&asked.bearer(&world.secrets.api_key));
    let all = ["tool.call", "tool.list", "model.call", "credential.refused"];
    let written = |kind: &&str| gateway.audit().iter().any(|record| record["event"] == **kind);
    assert!(wait_for(|| all.iter().all(&written).then_some(())).is_some());
    let stopped = gateway.stop();
    let folder = stopped.folder.path();
    std::fs::rename(folder.join("audit.jsonl"), folder.join("gatehouse-audit.jsonl")).unwrap();
    std::fs::copy(folder.join("gatehouse-audit.jsonl"), folder.join("audit.jsonl")).unwrap();
    let whole = ask(folder, "jq -c . audit.jsonl");
    let call = whole.iter().find(|record| record["event"] == "tool.call").unwrap();
    let (grant, request) =
        (call["actor"]["grant"].as_str().unwrap(), call["request"]["id"].as_str().unwrap());
    assert_eq!((&call["actor"]["user"], &call["actor"]["sub"]), (&json!("ada"), &json!("ada@example.com")));

    let mut asked = 0;
    for question in ["docs/guides/audit.md", "docs/LOGGING.md"].into_iter().flat_map(questions) {
        let question = question.replace("grant_…", grant).replace("req_QgmOWnGsAl46pUmO9-T3", request);
        let answer = ask(folder, &question);
        assert!(!answer.is_empty(), "nothing answers {question}");
        let expected: &[&str] = match &question {
            of_ada if of_ada.contains("== \"ada\"") => &[
                "signin.success",
                "consent.granted",
                "token.issue",
                "token.exchange",
                "tool.list",
                "tool.call",
            ],
            of_grant if of_grant.contains(grant) => &[
                "authorization.request",
                "signin.success",
                "consent.granted",
                "token.issue",
                "token.exchange",
                "tool.list",
                "tool.call",
            ],
            _ => &[],
        };
        let found = match expected {
            [] => BTreeSet::new(),
            _ => events(&answer),
        };
        for kind in expected {
            assert!(found.contains(kind), "no {kind} answers {question}: {found:?}");
        }
        asked += 1;
    }
    assert!(asked >= 7, "only {asked} questions were found");
}
