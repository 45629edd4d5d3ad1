use super::*;

#[test]
fn discover_speaks_for_the_modern_era_only() {
    let server = ServerFacts {
        name: "gatehouse".to_owned(),
        title: Some("Gatehouse".to_owned()),
        version: "0.1.0".to_owned(),
        instructions: Some("Ask.".to_owned()),
    };
    insta::assert_snapshot!(
        result(&server, CacheHints { ttl_ms: 60_000 }).to_json(),
        @r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"Ask.","ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"gatehouse","title":"Gatehouse","version":"0.1.0"}}}"#
    );
}
