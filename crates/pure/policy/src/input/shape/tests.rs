use super::*;
use crate::{Policy, PolicyOptions, PolicySource};

/// The paths in a policy of these rules that no input of `point` has.
fn unknown_in(rules: &str, point: Point) -> Vec<String> {
    let text = format!("package orchestrator\n{rules}\n");
    let source = PolicySource { name: "p".into(), text };
    let policy =
        Policy::compile(&source, &PolicyOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    policy.unknown_facts(point).into_iter().map(|fact| fact.path).collect()
}

fn of_token(condition: &str) -> Vec<String> {
    unknown_in(&format!("result := {{\"allowed\": true}} if {{ {condition} }}"), Point::TokenMinting)
}

#[test]
fn a_misspelt_fact_is_found_however_it_is_reached() {
    let misspelt = ["input.request.oauth.clientid"];
    for condition in [
        "input.request.oauth.clientid == \"a\"",
        "not input.request.oauth.clientid == \"a\"",
        "input[\"request\"].oauth[\"clientid\"] == \"a\"",
        "\"a\" in [input.request.oauth.clientid]",
        "oauth := input.request.oauth; oauth.clientid == \"a\"",
        "request := input.request; oauth := request.oauth; oauth.clientid == \"a\"",
        "object.get(input.request.oauth, \"clientid\", \"\") == \"a\"",
        "object.get(input, [\"request\", \"oauth\", \"clientid\"], \"\") == \"a\"",
        "count([x | x := input.request.oauth.clientid]) == 1",
        "every scope in input.request.oauth.scopes { scope == input.request.oauth.clientid }",
        "startswith(input.request.oauth.clientid, \"a\")",
    ] {
        assert_eq!(of_token(condition), misspelt, "{condition}");
    }
    for rules in [
        "import input.request.oauth\nresult := {\"allowed\": true} if oauth.clientid == \"a\"",
        "import input.request as asked\nresult := {\"allowed\": true} if asked.oauth.clientid == \"a\"",
        "oauth := input.request.oauth\nresult := {\"allowed\": true} if oauth.clientid == \"a\"",
        "client := oauth.clientid\noauth := input.request.oauth\nresult := {\"allowed\": true} if client == \"a\"",
        "f(id) if id == input.request.oauth.clientid\nresult := {\"allowed\": true} if f(\"a\")",
        "result.allowed := true if input.request.oauth.clientid == \"a\"",
        "default result := {\"allowed\": false}\nresult := {\"allowed\": true} if { false } else := {\"allowed\": input.request.oauth.clientid}",
    ] {
        assert_eq!(unknown_in(rules, Point::TokenMinting), misspelt, "{rules}");
    }
}

#[test]
fn values_and_lists_have_no_members() {
    let parent = |condition: &str| {
        let text = format!("package orchestrator\nresult := {{\"allowed\": true}} if {{ {condition} }}\n");
        let policy = Policy::compile(&PolicySource { name: "p".into(), text }, &PolicyOptions::default());
        policy.unwrap().unknown_facts(Point::ToolCall).pop().map(|fact| fact.parent)
    };
    assert_eq!(parent("input.principal.groups[\"admins\"]"), Some(Parent::List));
    assert_eq!(parent("input.principal.groups.admins"), Some(Parent::List));
    assert_eq!(parent("input.principal.groups[_].name == \"admins\""), Some(Parent::Value));
    assert_eq!(parent("some group in input.principal.groups; group.name == \"admins\""), Some(Parent::Value));
    assert_eq!(parent("input.source.ip.address == \"10.0.0.1\""), Some(Parent::Value));
    assert_eq!(parent("input.delegation.actors[0].sub == \"agent\""), None);
    assert!(matches!(
        parent("some actor in input.delegation.actors; actor.subject"),
        Some(Parent::Object(_))
    ));
    let headers = Parent::Headers("input.request.http.headers[\"X-Team\"]".to_owned());
    assert_eq!(parent("input.request.http.headers[\"x-team\"] == \"a\""), Some(headers));
}

#[test]
fn what_others_write_and_what_is_computed_is_left_alone() {
    for condition in [
        "input.user.claims.department == \"x\"",
        "input.request.oauth.response.access_token.claims.anything.below == 1",
        "input.request.http.headers[\"X-Anything\"] == \"a\"",
        "some name; input.request.oauth[name] == \"a\"",
        "some name in [\"a\", \"b\"]; input[name].x == 1",
        "count(input) > 1",
        "walk(input, [path, value]); value == path",
        "input.user.auth_time > 1",
        "input.request.oauth.scopes[0] == \"a\"",
        "x := {\"clientid\": 1}; x.clientid == 1",
    ] {
        assert_eq!(of_token(condition), [""; 0], "{condition}");
    }
    // A name of a rule's own is not the rule of that name.
    let rules = "oauth := input.request.oauth\nf(oauth) if oauth.clientid == 1\nresult := {\"allowed\": f({\"clientid\": 1})}";
    assert_eq!(unknown_in(rules, Point::TokenMinting), [""; 0]);
}

#[test]
fn facts_of_another_decision_point_name_it() {
    let text = "package orchestrator\nresult := {\"allowed\": true} if input.request.mcp.tool.params.arguments.id == 1\n";
    let policy =
        Policy::compile(&PolicySource { name: "p".into(), text: text.into() }, &PolicyOptions::default())
            .unwrap();
    assert_eq!(policy.unknown_facts(Point::ToolCall), []);
    for (point, path, elsewhere) in [
        (Point::ModelCall, "input.request.mcp", vec![Point::ToolCall]),
        (Point::TokenMinting, "input.request.mcp", vec![Point::ToolCall]),
        (Point::Listing, "input.request.mcp.tool.params.arguments.id", vec![Point::ToolCall]),
    ] {
        let [fact] = policy.unknown_facts(point).try_into().unwrap();
        assert_eq!((fact.path.as_str(), fact.elsewhere), (path, elsewhere), "{point:?}");
        assert_eq!((fact.line, fact.column), (2, 32));
    }
}
