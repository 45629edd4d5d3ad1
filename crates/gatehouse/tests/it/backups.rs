//! A store that is put back brings nothing back to life.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use gatehouse_testkit::browser::{SignIn, authorize, basic, redeem, sign_in, token};
use gatehouse_testkit::fixture::{LLM_AUDIENCE, World};
use gatehouse_testkit::mcp::Client;
use gatehouse_testkit::process::{Gateway, Ran, free_port, run, wait_for};
use gatehouse_testkit::raw_http::Request;
use serde_json::{Value, json};

use crate::binary;

/// Runs a command on the configuration in `folder`.
fn gatehouse(folder: &Path, arguments: &[&str]) -> Ran {
    let all: Vec<&str> =
        ["--config", "gatehouse.yaml"].into_iter().chain(arguments.iter().copied()).collect();
    run(&binary(), folder, &all, "")
}

#[track_caller]
fn done(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    &ran.out
}

#[track_caller]
fn refused(ran: &Ran, why: &str) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains(why), "expected {why:?} in {:?}", ran.err);
}

/// Ada at her application, over the life of the store.
struct Ada<'a> {
    world: &'a World,
    gateway: &'a Gateway,
}

impl Ada<'_> {
    fn signs_in(&self) -> SignIn {
        sign_in(self.gateway, &self.world.public_application(), &self.world.ada(), &|request| request)
    }

    /// A code that waits, with its verifier.
    fn code(&self) -> (String, &'static str) {
        let verifier = "a-verifier-that-is-long-enough-for-everybody-involved";
        let (world, same) = (self.world, |request| request);
        (authorize(self.gateway, &world.public_application(), &world.ada(), verifier, &same).0, verifier)
    }

    /// The next refresh token, or the error.
    fn refresh(&self, refresh_token: &str) -> Result<String, String> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let answer = token(self.gateway, &self.world.public_application(), &fields, &|request| request);
        let text = |name: &str| answer.json()[name].as_str().unwrap_or_default().to_owned();
        if answer.status == 200 { Ok(text("refresh_token")) } else { Err(text("error")) }
    }

    fn redeem(&self, (code, verifier): &(String, &str)) -> Value {
        redeem(self.gateway, &self.world.public_application(), code, verifier, &|request| request).json()
    }

    /// What an upstream gets in exchange for an access token, if it is still good.
    fn exchange(&self, access_token: &str) -> Option<String> {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", access_token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", "https://directory.example.com"),
            ("scope", "directory:write"),
        ];
        let client = basic("mcp-gateway", &self.world.secrets.exchange_secret);
        let request = Request::form("/oauth2/token", &fields).header("authorization", client);
        let answer = self.gateway.send(&request);
        (answer.status == 200).then(|| answer.json()["access_token"].as_str().unwrap().to_owned())
    }

    fn is_active(&self, token: &str) -> bool {
        let client = basic("mcp-gateway", &self.world.secrets.exchange_secret);
        let request = Request::form("/oauth2/introspect", &[("token", token)]);
        self.gateway.send(&request.header("authorization", client)).json()["active"] == true
    }

    fn revoke(&self, token: &str) {
        let fields = [("token", token), ("client_id", "claude-public")];
        assert_eq!(self.gateway.send(&Request::form("/oauth2/revoke", &fields)).status, 200);
    }

    /// What the MCP door says to an access token.
    fn calls(&self, access_token: &str) -> u16 {
        let with_token = |request: Request| request.bearer(access_token);
        Client::modern(self.gateway, "/mcp", &with_token).send("tools/list", json!({})).status
    }
}

#[test]
fn nothing_that_a_backup_has_forgotten_comes_back_to_life() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let ada = Ada { world: &world, gateway: &gateway };
    let (rotated, ended, revoked) = (ada.signs_in(), ada.signs_in(), ada.signs_in());
    let code = ada.code();
    let folder = gateway.folder();
    assert!(done(&gatehouse(folder, &["backup", "--out", "copy.db"])).contains("copy.db"));
    refused(&gatehouse(folder, &["backup", "--out", "copy.db"]), "backup: copy.db: the file exists");

    let successor = ada.refresh(&rotated.refresh_token).unwrap();
    ada.revoke(&ended.refresh_token);
    ada.revoke(&revoked.access_token);
    let unknown = ada.signs_in();
    assert_eq!([ada.calls(&rotated.access_token), ada.calls(&revoked.access_token)], [200, 401]);
    refused(&gatehouse(folder, &["restore", "--from", "copy.db"]), "stop it first");
    assert_eq!(ada.calls(&rotated.access_token), 200);

    let stopped = gateway.stop();
    let folder = stopped.folder.path();
    refused(&gatehouse(folder, &["restore", "--from", "directory.json"]), "not a database");
    refused(&gatehouse(folder, &["restore", "--from", "absent.db"]), "absent.db");
    let told = gatehouse(folder, &["restore", "--from", "copy.db"]);
    assert!(done(&told).contains("ended: 4 grants, 3 refresh families"), "{told:?}");
    done(&gatehouse(folder, &["audit", "verify"]));
    let log = folder.join("audit.jsonl");
    let records = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, format!("{records}{{\"time\":\"2099-01-01T00:00:00Z\"}}\n")).unwrap();
    refused(&gatehouse(folder, &["restore", "--from", "copy.db"]), "has a record of 2099-01-01T00:00:00Z");
    std::fs::write(&log, records).unwrap();

    let gateway = Gateway::serve_in(&binary(), stopped.folder, "gatehouse.yaml");
    let ada = Ada { world: &world, gateway: &gateway };
    for refresh_token in [
        &rotated.refresh_token,
        &successor,
        &ended.refresh_token,
        &revoked.refresh_token,
        &unknown.refresh_token,
    ] {
        assert_eq!(ada.refresh(refresh_token), Err("invalid_grant".to_owned()));
    }
    for before in [&rotated, &ended, &revoked, &unknown] {
        assert_eq!(ada.calls(&before.access_token), 401);
        let introspect = Request::form("/oauth2/introspect", &[("token", &before.access_token)]);
        let client = basic("claude-confidential", &world.secrets.client_secret);
        let answer = gateway.send(&introspect.header("authorization", client));
        assert_eq!(answer.json(), json!({ "active": false }));
    }
    assert_eq!(ada.redeem(&code)["error"], "invalid_grant");
    for documented in ["token_revoked", "refresh_unknown"] {
        let since = |records: Vec<Value>| {
            let restored = records.iter().rposition(|record| record["event"] == "store.restored")?;
            records.into_iter().skip(restored).find(|record| record["reason"] == documented)
        };
        assert!(wait_for(|| since(gateway.audit())).is_some(), "{documented}");
    }
    let partner = world.partner.token(LLM_AUDIENCE, "eve");
    let models = gateway.send(&Request::get("/v1/models").bearer(&partner));
    assert_eq!(models.status, 200, "tokens of other issuers are as good as before");

    let fresh = ada.signs_in();
    assert_eq!(ada.calls(&fresh.access_token), 200);
    ada.refresh(&fresh.refresh_token).unwrap();
    let audit = gateway.audit();
    let restores: Vec<&Value> = audit.iter().filter(|record| record["event"] == "store.restored").collect();
    let outcomes: Vec<&Value> = restores.iter().map(|record| &record["outcome"]).collect();
    assert_eq!(outcomes, ["error", "error", "allow"], "{restores:?}");
    assert_eq!(restores[2]["target"]["object"], "copy.db");
}

/// As after PostgreSQL's own tools, or a disk that was set back.
#[test]
fn an_epoch_ends_what_another_tool_has_brought_back() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let before = Ada { world: &world, gateway: &gateway }.signs_in();
    let stopped = gateway.stop();
    let told = gatehouse(stopped.folder.path(), &["restore", "--epoch-only"]);
    assert!(done(&told).contains("ended: 1 grants, 1 refresh families, 1 sessions"), "{told:?}");
    let gateway = Gateway::serve_in(&binary(), stopped.folder, "gatehouse.yaml");
    let ada = Ada { world: &world, gateway: &gateway };
    assert_eq!(ada.refresh(&before.refresh_token), Err("invalid_grant".to_owned()));
    assert_eq!(ada.calls(&before.access_token), 401);
    assert_eq!(ada.calls(&ada.signs_in().access_token), 200);
}

/// The command may run as root, and the gateway as somebody else.
#[test]
fn the_audit_log_that_a_restore_begins_belongs_to_whom_the_folder_belongs_to() {
    let world = World::new(&binary(), "");
    let stopped = world.serve().stop();
    let folder = stopped.folder.path();
    let log = folder.join("audit.jsonl");
    std::fs::remove_file(&log).unwrap();
    // Only root can give files away; for others all are their own.
    for path in [folder, &folder.join("gatehouse.db")] {
        drop(chown(path, Some(54_321), Some(54_322)));
    }
    done(&gatehouse(folder, &["restore", "--epoch-only"]));
    let owner = |path: &Path| std::fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
    assert_eq!(owner(&log), owner(folder));
    assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    done(&gatehouse(folder, &["audit", "verify"]));
}

/// As when a standby took over that was behind: nodes go on, and issue new tokens for old ones until they know.
#[test]
fn what_a_running_node_issues_for_an_old_token_while_an_epoch_begins_is_void_too() {
    let world = World::new(&binary(), "");
    let gateway = world.serve();
    let ada = Ada { world: &world, gateway: &gateway };
    let before = ada.signs_in();
    assert!(ada.is_active(&ada.exchange(&before.access_token).unwrap()));
    // The command of another machine, with a log of its own.
    let elsewhere = world.configuration.replace("path: audit.jsonl", "path: restore.jsonl");
    assert_ne!(elsewhere, world.configuration);
    std::fs::write(gateway.folder().join("elsewhere.yaml"), elsewhere).unwrap();
    let arguments = ["--config", "elsewhere.yaml", "restore", "--epoch-only"];

    let issued = std::thread::scope(|scope| {
        let restoring = scope.spawn(|| run(&binary(), gateway.folder(), &arguments, ""));
        let mut issued = vec![ada.exchange(&before.access_token).unwrap()];
        while !restoring.is_finished() {
            issued.extend(ada.exchange(&before.access_token));
        }
        done(&restoring.join().unwrap());
        issued
    });
    let fresh = ada.signs_in();
    assert_eq!(ada.exchange(&before.access_token), None);
    let active: Vec<_> = issued.iter().filter(|token| ada.is_active(token)).collect();
    assert!(active.is_empty(), "{} of {}", active.len(), issued.len());
    assert_eq!(ada.calls(&fresh.access_token), 200);
}

#[test]
fn what_cannot_be_copied_or_put_back_is_refused_by_name() {
    let world = World::new(&binary(), "");
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &str| std::fs::write(folder.path().join("gatehouse.yaml"), text).unwrap();
    std::fs::write(folder.path().join("directory.json"), gatehouse_testkit::sample::DIRECTORY_OPENAPI)
        .unwrap();
    write(&world.configuration);
    refused(&gatehouse(folder.path(), &["backup", "--out", "copy.db"]), "unable to open database file");
    refused(&gatehouse(folder.path(), &["restore", "--epoch-only"]), "gatehouse.db: nothing is there");
    assert!(!folder.path().join("gatehouse.db").exists());
    let usage = gatehouse(folder.path(), &["restore"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
    let both = gatehouse(folder.path(), &["restore", "--from", "copy.db", "--epoch-only"]);
    assert_eq!(both.code, Some(2), "{both:?}");

    let sqlite = "store:\n  type: sqlite\n  sqlite: { path: gatehouse.db }\n";
    let url = format!("postgres://gatehouse@127.0.0.1:{}/gatehouse", free_port());
    let postgres = format!("store:\n  type: postgres\n  postgres: {{ url: \"{url}\" }}\n");
    assert!(world.configuration.contains(sqlite));
    write(&world.configuration.replace(sqlite, &postgres));
    refused(&gatehouse(folder.path(), &["backup", "--out", "copy.db"]), "pg_dump");
    refused(&gatehouse(folder.path(), &["restore", "--from", "copy.db"]), "restore --epoch-only");
    refused(&gatehouse(folder.path(), &["restore", "--epoch-only"]), "cannot be reached");
    assert!(!folder.path().join("copy.db").exists());
}
