use std::fmt::Write as _;

use super::*;

const ROOM: Room = Room { tools: 1_000, bytes: 1_000_000 };

fn server() -> ServerFacts {
    ServerFacts { name: "gw".to_owned(), title: None, version: "1.0.0".to_owned(), instructions: None }
}

fn tool(json: &str) -> Tool {
    Tool::parse(json).expect("a tool")
}

fn rules(server: &ServerFacts, version: Version, size: usize) -> PageRules<'_> {
    PageRules { version, size, bytes: 1_000_000, cache: CacheHints { ttl_ms: 60_000 }, server }
}

#[test]
fn a_cursor_that_is_no_string_is_not_the_end_of_a_list() {
    for (cursor, expected) in [
        ("", (None, false)),
        (r#","nextCursor":null"#, (None, false)),
        (r#","nextCursor":"2""#, (Some("2"), false)),
        (r#","nextCursor":2"#, (None, true)),
        (r#","nextCursor":["2"]"#, (None, true)),
        (r#","nextCursor":{"page":2}"#, (None, true)),
        (r#","nextCursor":true"#, (None, true)),
    ] {
        let text = format!(r#"{{"tools":[]{cursor}}}"#);
        let page = UpstreamPage::parse(&RawObject::parse(&text).expect("an object"), ROOM).expect("a list");
        assert_eq!((page.next_cursor.as_deref(), page.cursor_is_unusable), expected, "{text}");
    }
}

#[test]
fn pages_of_upstreams_are_read_tool_by_tool() {
    let result = RawObject::parse(
        r#"{"tools":[{"name":"a","inputSchema":{}},{"name":"b"},{"name":"c","inputSchema":{"properties":{"x":{"type":"number","x-mcp-header":"X"}}}}],"nextCursor":"","ttlMs":5}"#,
    )
    .expect("an object");
    let page = UpstreamPage::parse(&result, ROOM).expect("a list");
    assert_eq!(page.tools.iter().map(Tool::name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(page.rejected.len(), 2);
    assert_eq!((page.next_cursor.as_deref(), page.ttl_ms), (Some(""), Some(5)));
    assert!(UpstreamPage::parse(&RawObject::parse(r#"{"tools":{}}"#).expect("an object"), ROOM).is_err());
}

#[test]
fn pages_follow_the_order_of_exported_names() {
    let tools: Vec<(String, Tool)> = ["d", "a", "c", "b", "e"]
        .iter()
        .map(|name| (format!("x_{name}"), tool(&format!(r#"{{"name":"{name}","inputSchema":{{}}}}"#))))
        .collect();
    let listed = || tools.iter().map(|(exported, tool)| ListedTool { exported, tool }).collect::<Vec<_>>();
    let server = server();
    let mut cursor: Option<String> = None;
    let mut seen = Vec::new();
    loop {
        let result =
            page(listed(), cursor.as_deref(), rules(&server, Version::V2026_07_28, 2)).expect("a page");
        let page = UpstreamPage::parse(&result, ROOM).expect("a list");
        seen.push(page.tools.iter().map(|tool| tool.name().to_owned()).collect::<Vec<_>>().join(" "));
        assert_eq!(result.text("cacheScope").as_deref(), Some("private"));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["x_a x_b", "x_c x_d", "x_e"]);
    for wrong in ["", "x", "YWJj", "🦀"] {
        let error =
            page(listed(), Some(wrong), rules(&server, Version::V2026_07_28, 2)).expect_err("no cursor");
        assert_eq!(error.code(), -32602);
    }
}

#[test]
fn each_revision_gets_what_it_knows() {
    let full = tool(
        r#"{"name":"a","title":"A","icons":[],"execution":{},"x":1,"inputSchema":{"type":"object"},"outputSchema":{"type":"object"}}"#,
    );
    let list = tool(r#"{"name":"b","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#);
    let server = server();
    let mut out = String::new();
    for version in Version::ALL {
        let tools =
            vec![ListedTool { exported: "p_a", tool: &full }, ListedTool { exported: "p_b", tool: &list }];
        let result = page(tools, None, rules(&server, version, 10)).expect("a page");
        writeln!(out, "{version}: {}", result.to_json()).expect("text");
    }
    insta::assert_snapshot!(out);
}

fn list(definitions: &[String]) -> String {
    format!(r#"{{"tools":[{}],"nextCursor":"more"}}"#, definitions.join(","))
}

fn named(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!(r#"{{"name":"t{number}","inputSchema":{{}}}}"#)).collect()
}

#[test]
fn of_a_list_without_end_the_first_tools_are_kept_and_the_others_counted() {
    let text = list(&named(0..50));
    let result = RawObject::parse(&text).expect("an object");
    let page = UpstreamPage::parse(&result, Room { tools: 20, ..ROOM }).expect("a list");
    assert_eq!(page.tools.iter().map(Tool::name).next_back(), Some("t19"));
    assert_eq!((page.tools.len(), page.left_out), (20, 30));
    assert_eq!(page.bytes, page.tools.iter().map(Tool::held_bytes).sum::<usize>());
    // The same for bytes, in the same order.
    let bytes = page.bytes / 2;
    let page = UpstreamPage::parse(&result, Room { bytes, ..ROOM }).expect("a list");
    assert_eq!((page.tools.len(), page.left_out), (10, 40));
    let none = UpstreamPage::parse(&result, Room { tools: 0, bytes: 0 }).expect("a list");
    assert_eq!((none.tools.len(), none.left_out), (0, 50));
    assert_eq!(none.next_cursor.as_deref(), Some("more"));
}

#[test]
fn what_is_left_out_begins_with_the_first_that_does_not_fit() {
    let mut definitions = named(0..3);
    let large = format!(r#"{{"name":"large","inputSchema":{{}},"description":"{}"}}"#, "x".repeat(5_000));
    definitions.insert(1, large);
    let text = list(&definitions);
    let result = RawObject::parse(&text).expect("an object");
    let page = UpstreamPage::parse(&result, Room { bytes: 3_000, ..ROOM }).expect("a list");
    // A smaller one behind it would fit, but then the order would depend on sizes.
    assert_eq!(page.tools.iter().map(Tool::name).collect::<Vec<_>>(), ["t0"]);
    assert_eq!(page.left_out, 3);
}

#[test]
fn a_page_of_rubbish_leaves_a_few_errors_and_a_count() {
    let text = list(&vec!["{}".to_owned(); 100_000]);
    let page = UpstreamPage::parse(&RawObject::parse(&text).expect("an object"), ROOM).expect("a list");
    assert_eq!((page.tools.len(), page.rejected.len(), page.rejected_more), (0, TOLD, 100_000 - TOLD));
    assert_eq!(page.left_out, 0);
}

#[test]
fn pages_are_cut_by_bytes_as_well() {
    let text = |name: &str| {
        format!(r#"{{"name":"{name}","inputSchema":{{}},"description":"{}"}}"#, "x".repeat(1_000))
    };
    let tools: Vec<Tool> = ["a", "b", "c", "d", "e"].iter().map(|name| tool(&text(name))).collect();
    let listed = || tools.iter().map(|tool| ListedTool { exported: tool.name(), tool }).collect::<Vec<_>>();
    let server = server();
    for (bytes, expected) in [(2_500, 2), (10_000, 5), (0, 1)] {
        let rules = PageRules { bytes, ..rules(&server, Version::V2026_07_28, 10) };
        let result = page(listed(), None, rules).expect("a page");
        let page = UpstreamPage::parse(&result, ROOM).expect("a list");
        assert_eq!((page.tools.len(), page.next_cursor.is_some()), (expected, expected < 5), "{bytes}");
    }
}
