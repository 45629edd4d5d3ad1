//! What is said about places of a file that do not fit each other.

use std::time::Duration;

use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::platform::{Migrate, Pooler, StorePlace};
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::ClientId;
use gatehouse_identity::secret::Secret;

use crate::fixture::{CLAUDE, GATEWAY, WHOLE, load, loaded, printed, refused};

const END_OF_2026: i64 = 1_798_761_600;

fn warnings(snapshot: &Snapshot) -> Vec<String> {
    snapshot.warnings.iter().map(ToString::to_string).collect()
}

fn changed(from: &str, to: &str) -> String {
    assert!(WHOLE.contains(from), "the fixture has no {from:?}");
    WHOLE.replacen(from, to, 1)
}

#[test]
fn files_that_fit_are_not_talked_about() {
    for text in [WHOLE, CLAUDE, GATEWAY] {
        assert_eq!(warnings(&loaded(text)), [""; 0]);
    }
}

#[test]
fn an_issuer_elsewhere_is_a_warning_that_names_both() {
    let found =
        warnings(&loaded(&changed("issuer: https://gw.example.com", "issuer: https://auth.example.com")));
    let expected = "oidcProvider.discovery.issuer: people sign in at https://auth.example.com, but http.publicURL is \
                    https://gw.example.com";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
}

#[test]
fn a_proxy_that_is_not_trusted_is_a_warning() {
    let found = warnings(&loaded(&changed("  trustedProxies: [10.0.0.0/8, 192.0.2.7]\n", "")));
    assert!(found.len() == 1 && found[0].contains("all clients would share its address"), "{found:?}");
}

/// Whoever costs less than the dearest is named with both places; equal costs are not talked about.
#[test]
fn hashes_of_different_costs_are_warnings() {
    const SALT_AND_HASH: &str = "c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
    let with = |cost: &str| {
        let user =
            format!("      - {{ username: eve, passwordHash: \"$argon2id$v=19${cost}${SALT_AND_HASH}\" }}\n");
        warnings(&loaded(&changed("    users:\n", &format!("    users:\n{user}"))))
    };
    assert_eq!(with("m=19456,t=2,p=1"), [""; 0]);
    for cheaper in ["m=8192,t=2,p=1", "m=19456,t=1,p=1"] {
        let found = with(cheaper);
        let expected = format!(
            "connectors[0].users[0].passwordHash: this hash costs {cheaper}, the one on line 26, column 23 costs \
             m=19456,t=2,p=1;"
        );
        assert!(found.len() == 1 && found[0].contains(&expected), "{found:?}");
    }
    // The new one is the dearest, or costs as much in another way.
    for other in ["m=65536,t=3,p=1", "m=19456,t=2,p=4"] {
        let found = with(other);
        assert!(found.len() == 1 && found[0].contains("m=19456,t=2,p="), "{found:?}");
    }
}

#[test]
fn a_limit_that_would_let_nobody_sign_in_is_refused() {
    for key in ["pendingSignIns", "pendingSignInsPerNetwork", "signInsPerMinutePerNetwork"] {
        let limits = |number: u64| {
            let limits = format!("oidcProvider:\n  limits: {{ {key}: {number} }}\n");
            changed("oidcProvider:\n", &limits)
        };
        let found = refused(&limits(0));
        assert!(found.contains(&format!("oidcProvider.limits.{key}: expected 1 to 10000000")), "{found}");
        let server = loaded(&limits(7)).authorization_server;
        let set = server.map(|server| server.sign_in_limits).unwrap();
        let numbers = [set.pending, set.pending_per_network, set.per_minute];
        assert_eq!(numbers.iter().filter(|number| **number == 7).count(), 1, "{numbers:?}");
    }
}

#[test]
fn a_loopback_url_with_another_port_is_a_warning() {
    let local = WHOLE
        .replace("https://gw.example.com", "http://localhost:9420")
        .replace("  trustedProxies: [10.0.0.0/8, 192.0.2.7]\n", "");
    assert_eq!(warnings(&loaded(&local)), [""; 0]);
    for address in ["address: 127.0.0.1:9430", "address: 0.0.0.0:80"] {
        let found = warnings(&loaded(&local.replacen("address: 0.0.0.0:9420", address, 1)));
        let expected = "http.publicURL: clients connect to http://localhost:9420, but http.address is ";
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    assert_eq!(
        warnings(&loaded(&local.replacen("address: 0.0.0.0:9420", "address: 127.0.0.1:0", 1))),
        [""; 0]
    );
}

#[test]
fn a_key_that_has_ended_is_a_warning_from_then_on() {
    let snapshot = loaded(WHOLE);
    let at = |seconds: i64| -> Vec<String> {
        snapshot.warnings_at(Timestamp::from_unix_seconds(seconds)).map(ToString::to_string).collect()
    };
    assert_eq!(at(END_OF_2026 - 1), [""; 0]);
    let found = at(END_OF_2026);
    let expected =
        "llmProvider.authorization.keys[0].expires: the key `team-a` ended at 2027-01-01T00:00:00Z";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
}

#[test]
fn a_database_url_that_is_none_is_refused_and_not_repeated() {
    let text = changed("type: sqlite", "type: postgres");
    loaded(&text);
    for url in
        ["mysql://gatehouse:hunter2@db/gatehouse", "gatehouse:hunter2@db", "postgres://u:hunter2@db:port/g"]
    {
        let found = refused(&text.replace("{{ env.DATABASE_URL }}", url));
        assert!(found.contains("store.postgres.url: expected `postgres://"), "{url}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn the_servers_of_a_database_are_written_as_one_or_as_several() {
    let text = changed("type: sqlite", "type: postgres");
    let written = |servers: &str| text.replace("url: \"{{ env.DATABASE_URL }}\"", servers);
    let place = |servers: &str| match loaded(&written(servers)).store.place {
        StorePlace::Postgres(place) => place,
        StorePlace::Sqlite { .. } => panic!("it is PostgreSQL"),
    };
    let one = place("url: postgres://u@a/g");
    assert_eq!((one.urls.len(), one.pooler), (1, Pooler::None));
    let two = place("urls: [postgres://u@a/g, postgres://u@b/g], pooler: transaction");
    let urls: Vec<&str> = two.urls.iter().map(Secret::expose).collect();
    assert_eq!((urls, two.pooler), (vec!["postgres://u@a/g", "postgres://u@b/g"], Pooler::Transaction));

    for (servers, expected) in [
        ("pooler: none", "store.postgres: expected `url` or `urls`"),
        ("urls: []", "store.postgres: expected `url` or `urls`"),
        ("url: postgres://u@a/g, urls: [postgres://u@b/g]", "store.postgres.url: expected one of"),
        ("urls: [postgres://u@a/g, mysql://u:hunter2@b/g]", "store.postgres.urls[1]: expected `postgres://"),
        ("url: postgres://u@a/g, pooler: session", "store.postgres.pooler"),
        ("url: postgres://u@a/g, pooler: statement", "store.postgres.pooler"),
    ] {
        let found = refused(&written(servers));
        assert!(found.contains(expected), "{servers}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn who_migrates_is_the_process_unless_it_is_said() {
    assert_eq!(loaded(WHOLE).store.migrate, Migrate::Auto);
    let by_hand = changed("type: sqlite", "type: sqlite\n  migrate: manual");
    assert_eq!(loaded(&by_hand).store.migrate, Migrate::Manual);
    let found = refused(&changed("type: sqlite", "type: sqlite\n  migrate: never"));
    assert!(found.contains("store.migrate"), "{found}");
}

#[test]
fn a_short_secret_of_a_client_is_refused() {
    let text = |secret: &str| WHOLE.replace("{{ env.BATCH_SECRET }}", secret);
    assert_eq!(warnings(&loaded(&text("0123456789abcdef"))), [""; 0]);
    let found = refused(&text("0123456789abcde"));
    assert!(
        found.contains("apps[1].credentials.secrets[0]: expected a secret of at least 16 bytes"),
        "{found}"
    );
    assert!(!found.contains("0123456789abcde"), "{found}");
}

#[test]
fn a_policy_about_groups_that_no_token_names_is_a_warning() {
    let reading = changed(
        r#"          name: employees-listing
          rego: |
            package orchestrator
            default result := {"allowed": true}
"#,
        r#"          name: employees-listing
          rego: |
            package orchestrator
            default result := {"allowed": false}
            result := {"allowed": true} if "hr" in input.token.claims.groups
"#,
    );
    assert_eq!(warnings(&loaded(&reading)), [""; 0]);
    let mute = |text: &str| text.replace(", groups: staff.groups", "");
    let found = warnings(&loaded(&mute(&reading)));
    let expected =
        "apps[2].authorization.listing.opa.rego: the policy reads input.token.claims.groups, but no client";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    let elsewhere = "wellKnownEndpoint: https://auth.example.com/.well-known/oauth-authorization-server";
    let own = "wellKnownEndpoint: https://gw.example.com/.well-known/oauth-authorization-server";
    for text in [
        mute(&reading).replace(own, elsewhere),
        mute(&reading).replace("result := {\"allowed\": true} if", "# if"),
        mute(WHOLE),
    ] {
        assert_eq!(warnings(&loaded(&text)), [""; 0]);
    }
}

#[test]
fn a_connector_to_ourselves_has_the_secret_of_its_client() {
    let connector = |secret: &str| {
        format!(
            "connectors:\n  - name: self\n    type: oidc\n    \
             oidcWellKnownURL: https://gw.example.com/.well-known/openid-configuration\n    oauthClientID: batch\n    \
             oauthClientSecret: {secret}\n"
        )
    };
    let text = |secret: &str| changed("connectors:\n", &connector(secret));
    assert_eq!(warnings(&loaded(&text("\"{{ env.BATCH_SECRET }}\""))), [""; 0]);
    let found = refused(&text("another-long-enough-secret"));
    assert!(
        found.contains("connectors[0].oauthClientSecret: the client `batch` of this file has another secret"),
        "{found}"
    );
    assert!(!found.contains("another-long-enough-secret"), "{found}");
}

#[test]
fn a_provider_credential_that_no_header_holds_is_refused_and_not_repeated() {
    for (key, found) in [
        ("\"sk-ant-secret\\n\"", "U+000A"),
        ("\"sk-ant secret\"", "U+0020"),
        ("\"sk-ant-s\u{e9}cret\"", "U+00E9"),
    ] {
        let refused = refused(&changed("\"{{ env.ANTHROPIC_KEY }}\"", key));
        let expected = format!(
            "expected a credential of visible ASCII characters, as it is sent in a header; found {found} in it"
        );
        assert!(refused.contains(&expected) && refused.contains("credentials"), "{key}: {refused}");
        assert!(!refused.contains("sk-ant"), "{refused}");
    }
}

/// A mapped subject must tell people apart, also those of two identity providers.
#[test]
fn subjects_that_two_people_may_share_are_a_warning() {
    let more = "\nconnectors:\n  - name: other\n    type: oidc\n    oauthClientID: gw\n    oidcWellKnownURL: \
                https://other.example/.well-known/openid-configuration\n";
    let two = |first: &str, second: &str| {
        let client = |name: &str, idp: &str, sub: &str| {
            format!(
                "  - name: {name}\n    type: oidc\n    clientID: {name}\n    public: true\n    redirectURLs: \
                 [\"http://127.0.0.1/callback\"]\n    authentication: {{ idps: [{idp}] }}\n    \
                 claimsMapping: {{ sub: {sub} }}\n"
            )
        };
        let apps = client("one", "upstream-idp", first) + &client("two", "other", second);
        let text = CLAUDE.replacen("\napps:\n", &format!("\napps:\n{apps}"), 1);
        let text = text.replacen("      sub: upstream-idp.sub\n", "", 1);
        warnings(&loaded(&text.replacen("\nconnectors:\n", more, 1)))
    };
    assert_eq!(two("user.sub", "other.sub"), [""; 0]);
    for (first, second) in [("upstream-idp.email", "other.email"), ("user.upstream_sub", "other.oid")] {
        let found = two(first, second);
        assert_eq!(found.len(), 2, "{found:?}");
        let expected = "claimsMapping.sub: people of `other` and `upstream-idp` may get the same subject";
        assert!(found.iter().all(|warning| warning.contains(expected)), "{found:?}");
    }
    let found = two("user.upstream_issuer", "other.sub");
    let expected = "claimsMapping.sub: many people would have the subject `user.upstream_issuer`";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
}

/// One person must not have two subjects, depending on whether their program is registered or known by a document.
#[test]
fn two_ways_to_one_program_that_map_subjects_differently_are_a_warning() {
    let found = |documents: &str, client: &str| {
        let written =
            format!("oidcProvider:\n  clientIDMetadata: {{ allowedHosts: [claude.ai]{documents} }}\n");
        let text = CLAUDE.replacen("oidcProvider:\n", &written, 1);
        warnings(&loaded(&text.replacen("      sub: upstream-idp.sub\n", client, 1)))
    };
    let mapped = ", claimsMapping: { sub: upstream-idp.sub }";
    let sub = "      sub: upstream-idp.sub\n";
    for (documents, client) in [(mapped, sub), ("", ""), ("", "      sub: user.sub\n")] {
        assert_eq!(found(documents, client), [""; 0], "{documents} {client}");
    }
    let cases = [
        (
            "",
            sub,
            "the subject `upstream-idp.sub` through the client `claude-public`, but the subject of their own",
        ),
        (
            mapped,
            "",
            "the subject of their own through the client `claude-public`, but the subject `upstream-idp.sub`",
        ),
        (mapped, "      sub: upstream-idp.email\n", "the subject `upstream-idp.email` through the client"),
    ];
    for (documents, client, expected) in cases {
        let found = found(documents, client);
        assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
    }
    let elsewhere = ", enabled: false";
    assert_eq!(found(elsewhere, sub), [""; 0], "documents that are not believed are no way");
}

/// What a request without scope gets is something that the client may have.
#[test]
fn default_scopes_are_scopes_of_the_client() {
    let written = |defaults: &str| {
        let keys = format!(
            "    clientID: claude-public\n    customScopes: {{ scopes: [{{ name: \"tools:use\" }}] }}\n    defaultScopes: {defaults}\n"
        );
        CLAUDE.replacen("    clientID: claude-public\n", &keys, 1)
    };
    let snapshot = loaded(&written("[openid, \"tools:use\"]"));
    let server = snapshot.authorization_server.unwrap();
    let client = &server.clients[&ClientId::new("claude-public")].client;
    assert_eq!(client.default_scopes.as_ref().unwrap().to_string(), "openid tools:use");
    let cases = [
        ("[\"tools:admin\"]", "defaultScopes[0]: clients here may not have the scope `tools:admin`"),
        ("[\"openid profile\"]", "defaultScopes[0]: one scope name, without spaces"),
        ("[]", "defaultScopes: a request without scope would get none"),
    ];
    for (defaults, expected) in cases {
        let found = refused(&written(defaults));
        assert!(found.contains(expected), "{defaults}: {found}");
    }
}

#[test]
fn streams_are_not_cut_before_other_requests() {
    let drain = |requests: u32, streams: u32| {
        let keys =
            format!("http:\n  drainTimeoutSeconds: {requests}\n  drainStreamTimeoutSeconds: {streams}\n");
        changed("http:\n", &keys)
    };
    let listener = loaded(&drain(20, 20)).public;
    assert_eq!([listener.drain_timeout, listener.drain_stream_timeout], [Duration::from_secs(20); 2]);
    let found = refused(&drain(20, 19));
    assert!(
        found.contains("http.drainStreamTimeoutSeconds: event streams get 19 s to end, expected no less than the 20 s of drainTimeoutSeconds"),
        "{found}"
    );
    let listener = loaded(WHOLE).public;
    assert_eq!([listener.drain_timeout, listener.drain_stream_timeout].map(|time| time.as_secs()), [30, 600]);
}

/// What nobody can see in a name deceives whoever reads it.
#[test]
fn names_with_what_cannot_be_seen_are_refused() {
    for (from, name, expected) in [
        ("username: ada", "\"a\\u200Bda\"", "username: this username holds U+200B, which nobody sees"),
        ("username: ada", "\"ada\\u202E\"", "username: this username holds U+202E, which nobody sees"),
        (
            "username: ada",
            "\"ada\\u00A0l\"",
            "username: this username holds U+00A0, which looks like a space",
        ),
        ("username: ada", "\" ada\"", "username: a username has no spaces at its ends"),
        ("username: ada", "\"a\\u3164da\"", "username: this username holds U+3164, which nobody sees"),
        ("username: ada", "\"ada\\u0007\"", "username: this username holds U+0007, which nobody sees"),
        ("clientID: claude-code", "\"claude code\"", "clientID: a client id has no spaces"),
        (
            "clientID: claude-code",
            "\"\\u0441laude-code\"",
            "clientID: a client id is of visible ASCII characters",
        ),
        (
            "clientID: claude-code",
            "\"claude\\uFEFF\"",
            "clientID: this client id holds U+FEFF, which nobody sees",
        ),
        ("name: team-a", "\"team\\u2060-a\"", "name: this key name holds U+2060, which nobody sees"),
        ("id: claude-opus-4-7", "\"claude opus\"", "id: a model id has no spaces"),
    ] {
        let key = from.split(':').next().unwrap();
        let found = refused(&changed(from, &format!("{key}: {name}")));
        assert!(found.contains(expected), "{name}: {found}");
    }
}

/// What looks like another name may be somebody's: it is told, not refused.
#[test]
fn names_that_look_alike_are_warnings() {
    for name in ["Ada", "\u{430}da", "\u{FF41}da"] {
        let twin = format!(
            "      - username: {name}\n        passwordHash: \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ\"\n      - username: ada\n"
        );
        let found = warnings(&loaded(&changed("      - username: ada\n", &twin)));
        assert!(
            found.iter().any(|told| told.contains("this username looks like that on line")),
            "{name}: {found:?}"
        );
    }
    let found = warnings(&loaded(&changed("username: ada", "username: \u{430}da")));
    let expected = "this username mixes Cyrillic and Latin letters";
    assert!(found.len() == 1 && found[0].contains(expected), "{found:?}");
}

#[test]
fn placeholders_in_any_repetition_are_refused_and_weak_secrets_told() {
    let app = |secret: &str| {
        format!(
            "{WHOLE}  - {{ name: weak, type: oidc, clientID: weak, credentials: {{ secrets: [\"{secret}\"] }}, \
             grantTypes: [client_credentials] }}\n"
        )
    };
    for secret in [
        "changemechangeme",
        "change-me-change-me-please",
        "CHANGE_ME_IN_PRODUCTION",
        "secretsecretsecret",
        "your-client-secret-here",
        "password1234567890",
        "0000000000000000",
        "abcdefghijklmnopqrstuvwxyz",
        "replace-this-with-a-real-secret",
    ] {
        let found = refused(&app(secret));
        assert!(found.contains("an empty or placeholder secret is refused"), "{secret}: {found}");
        assert!(!found.contains(secret), "{found}");
    }
    for secret in
        ["abababababababababab", "aabbccaabbccaabbcc", "hunter2hunter2hunter2hunter2", "112233445566112233"]
    {
        let found = warnings(&loaded(&app(secret)));
        assert!(
            found.iter().any(|told| told.contains("this secret is easy to guess")),
            "{secret}: {found:?}"
        );
        assert!(found.iter().all(|told| !told.contains(secret)), "{found:?}");
    }
    for secret in ["d1f0c9a27be34680", "Zk3vQ8sW1xYp7LmN", "the secret garden is my favourite example"] {
        let found = warnings(&loaded(&app(secret)));
        assert!(found.iter().all(|told| !told.contains("secret")), "{secret}: {found:?}");
    }
}

/// What runs and serves nobody is told of before somebody tries.
#[test]
fn a_gateway_that_sends_its_clients_elsewhere_is_a_warning() {
    const METADATA: &str = "https://gw.example.com/.well-known/oauth-authorization-server";
    for (well_known, said) in [
        (
            "https://gw.example.com:8443/.well-known/oauth-authorization-server",
            "wellKnownEndpoint: clients are sent to https://gw.example.com:8443, but the issuer of this file is \
             https://gw.example.com",
        ),
        (
            "http://gw.example.com/.well-known/oauth-authorization-server",
            "clients are sent to http://gw.example.com, but the issuer of this file is https://gw.example.com",
        ),
    ] {
        let text = changed(METADATA, well_known);
        let found =
            load(&text).map_or_else(|problems| printed(&problems), |snapshot| warnings(&snapshot).join("\n"));
        assert!(found.contains(said), "{well_known}: {found}");
    }
}

/// Tokens that somebody exchanges carry the subject, and nothing else that is known of the person.
#[test]
fn claims_that_never_reach_a_token_are_warnings() {
    const BATCH: &str = "    credentials: { secrets: [\"{{ env.BATCH_SECRET }}\"] }\n";
    let with = |claims: &str| {
        let text = changed(BATCH, &format!("{BATCH}    accessToken: {{ claims: {{ {claims} }} }}\n"));
        warnings(&loaded(&text))
    };
    for (claims, name) in [
        ("mail: staff.email", "mail"),
        ("groups: user.groups", "groups"),
        ("who: user.upstream_sub", "who"),
        ("tier: \"'gold'\", country: staff.address.country", "country"),
    ] {
        let found = with(claims);
        let said = format!("no token of this client has the claim `{name}`: nobody signs in to it");
        assert!(found.len() == 1 && found[0].contains(&said), "{claims}: {found:?}");
    }
    assert_eq!(with("tier: \"'gold'\", app: client.name, how: request.grant_type"), [""; 0]);
}

/// An exchange for nobody in particular is refused at every call.
#[test]
fn an_exchange_without_an_audience_is_a_warning() {
    const STATIC: &str =
        "        type: static\n        static: { header: X-Key, value: \"{{ env.EMPLOYEES_KEY }}\" }\n";
    const AUDIENCES: &str = "    allowedAudiences: [https://gw.example.com/mcp]\n\n  - name: employees";
    const CONNECTOR: &str = "  - { name: own, type: oidc, oauthClientID: batch, oauthClientSecret: \"{{ env.BATCH_SECRET }}\", \
         oidcWellKnownURL: https://gw.example.com/.well-known/openid-configuration }\n\noidcProvider:\n";
    const TWO: &str = "allowedAudiences: [https://gw.example.com/mcp, https://employees.example.com/]";
    let at = |audience: &str, audiences: &str| {
        let exchange =
            format!("        type: tokenExchange\n        tokenExchange: {{ idp: own{audience} }}\n");
        let text = changed(STATIC, &exchange)
            .replacen(AUDIENCES, &format!("    {audiences}\n\n  - name: employees"), 1)
            .replacen("\noidcProvider:\n", CONNECTOR, 1);
        warnings(&loaded(&text))
    };
    let found = at("", TWO);
    let said =
        "tokenExchange.audience: it is not clear whom the token is for: the client `batch` has no default";
    assert!(found.len() == 1 && found[0].contains(said), "{found:?}");
    // Each of these says it.
    assert_eq!(at(", audience: https://employees.example.com/", TWO), [""; 0]);
    assert_eq!(at("", "allowedAudiences: [https://employees.example.com/]"), [""; 0]);
    let default = format!("{TWO}\n    defaultAudience: https://employees.example.com/");
    assert_eq!(at("", &default), [""; 0]);
}

#[test]
fn timeouts_of_models_have_bounds_and_pings_come_before_the_end() {
    let with = |timeouts: &str| {
        load(&changed("llmProvider:\n", &format!("llmProvider:\n  timeouts: {{ {timeouts} }}\n")))
    };
    let timeouts = with("idle: 5m, total: 3h").unwrap().llm.unwrap().timeouts;
    assert_eq!((timeouts.idle, timeouts.total), (Duration::from_mins(5), Duration::from_hours(3)));
    assert_eq!(timeouts.ping, Duration::from_secs(15));
    for (wrong, said) in [
        ("idle: 0s", "llmProvider.timeouts.idle: expected 1ms to 24h, found 0ns"),
        ("total: 25h", "llmProvider.timeouts.total: expected 1ms to 24h"),
        ("firstEvent: 30", "llmProvider.timeouts.firstEvent: expected a duration such as"),
        ("firstToken: 30s", "llmProvider.timeouts.firstToken: unknown key"),
    ] {
        let found = with(wrong).map(|_| ()).map_err(|problems| printed(&problems)).unwrap_err();
        assert!(found.contains(said), "{wrong}: {found}");
    }
    let told = warnings(&with("idle: 10s").unwrap());
    assert!(
        told.len() == 1 && told[0].contains("would be given up after 10s, before its first ping"),
        "{told:?}"
    );
}

/// A proxy of ours listens where it was told to.
#[test]
fn the_port_behind_a_trusted_proxy_is_not_talked_about() {
    let local = |proxies: &str| {
        let text = changed("publicURL: https://gw.example.com", "publicURL: http://localhost:8080")
            .replace("  trustedProxies: [10.0.0.0/8, 192.0.2.7]\n", proxies)
            .replace("https://gw.example.com", "http://localhost:8080");
        warnings(&loaded(&text)).join("\n")
    };
    assert!(local("").contains("clients connect to http://localhost:8080, but http.address is 0.0.0.0:9420"));
    assert!(!local("  trustedProxies: [127.0.0.1]\n").contains("clients connect to"));
}

/// ID tokens of our own count for clients that may use the LLM gateway, and only if that is written.
#[test]
fn id_tokens_of_our_own_need_the_word_and_a_client_that_may_come() {
    let (before, rest) =
        WHOLE.split_once("        - wellKnownEndpoint: https://login.microsoftonline.com").unwrap();
    let (_, after) = rest.split_once("    keys:\n").unwrap();
    let with = |token_type: &str, allowed: &str| {
        let own = format!(
            "        - wellKnownEndpoint: https://gw.example.com/.well-known/openid-configuration\n          \
             tokenValidation: {{ expectedAudiences: [https://gw.example.com/models]{token_type} }}\n"
        );
        let text = format!("{before}{own}    keys:\n{after}");
        text.replace(
            "allowedAudiences: [https://gw.example.com/mcp]",
            &format!("allowedAudiences: [{allowed}]"),
        )
    };
    let clients = |text: &str| {
        let server = loaded(text).llm.unwrap().protection.unwrap().servers.remove(0);
        server.id_tokens_of.iter().map(|client| client.as_str().to_owned()).collect::<Vec<_>>()
    };
    let either = ", jwt: { tokenType: either }";
    let both = ["claude-code", "batch"];
    assert_eq!(clients(&with(either, "https://gw.example.com/mcp, https://gw.example.com")), both);
    assert_eq!(clients(&with(either, "https://gw.example.com/mcp, https://gw.example.com/models")), both);
    assert_eq!(clients(&with("", "https://gw.example.com/mcp, https://gw.example.com")), [""; 0]);
    assert_eq!(clients(&with(", jwt: { tokenType: accessToken }", "https://gw.example.com/mcp")), [""; 0]);
    let none = refused(&with(either, "https://gw.example.com/mcp"));
    assert!(
        none.contains("there is none (add https://gw.example.com to the client's `allowedAudiences`)"),
        "{none}"
    );
    let only = refused(&with(", jwt: { tokenType: idToken }", "https://gw.example.com"));
    assert!(only.contains("use `either`"), "{only}");
    let tools = WHOLE.replace(
        "            expectedAudiences: [https://gw.example.com/mcp]\n",
        "            expectedAudiences: [https://gw.example.com/mcp]\n            jwt: { tokenType: either }\n",
    );
    let tools = refused(&tools);
    assert!(tools.contains("an ID token is accepted by the LLM gateway only"), "{tools}");
}

/// `check` says what a pattern of models is, where one is written that is none.
#[test]
fn a_pattern_that_is_none_is_refused_with_what_one_is() {
    let id = "    - id: claude-opus-4-7\n";
    let models = loaded(&changed(id, "    - id: claude-*\n")).llm.unwrap().models;
    assert!(models.find("claude-of-tomorrow-9").unwrap().is_open());
    for (written, said) in [
        (
            "\"claude-*-7\"",
            "llmProvider.models[0].id: `claude-*-7` is no pattern: `*` stands for the rest of an id",
        ),
        ("\"*-opus\"", "such as `claude-*`"),
        ("\"claude-**\"", "written once, at the end"),
    ] {
        let found = refused(&changed(id, &format!("    - id: {written}\n")));
        assert!(found.contains(said), "{found}");
    }
    let found = refused(&changed("model: claude-opus-4-7 }", "model: \"vendor/*\" }"));
    assert!(found.contains("a route's model `vendor/*`"), "{found}");
}
