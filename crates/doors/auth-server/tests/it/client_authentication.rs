//! How clients prove who they are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use http_body_util::Full;

use gatehouse_testkit::log_capture::LogCapture;

use crate::answer::{Answer, form, send};
use crate::client::{Proof, basic, pairs};
use crate::server::{SECRET, Server};

async fn ask(server: &Server, authorization: &[&str], parameters: &[(&str, &str)]) -> Answer {
    let mut request = Request::post("/oauth2/token")
        .header("host", server.address.to_string())
        .header("content-type", "application/x-www-form-urlencoded");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    let mut all = vec![("grant_type", "client_credentials"), ("audience", "https://tools.example/api")];
    all.extend(parameters);
    send(server.address, request.body(Full::from(form(&all))).unwrap()).await
}

#[tokio::test]
async fn every_good_proof_is_taken() {
    let server = Server::start().await;
    for secret in [SECRET, "the-older-secret"] {
        for proof in [Proof::Basic(secret.into()), Proof::Post(secret.into())] {
            let gateway = server.gateway().with_proof(proof);
            let asked = [("grant_type", "client_credentials"), ("audience", "https://tools.example/api")];
            gateway.token(&pairs(&asked)).await.ok();
        }
    }
    // The id may stand in the body as well when it is the same one, and schemes have no case.
    let header = basic("gateway", SECRET);
    ask(&server, &[&header], &[("client_id", "gateway")]).await.ok();
    ask(&server, &[&header.replace("Basic", "bAsIc")], &[]).await.ok();
}

#[tokio::test]
async fn every_bad_proof_is_refused() {
    let server = Server::start().await;
    let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = basic("gateway", SECRET);
    let unpadded = STANDARD.encode("gateway:x1").trim_end_matches('=').to_owned();
    let malformed = [
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {unpadded}"),
        format!("{good}\t="),
        "Bearer abc".to_owned(),
        "Bearer".to_owned(),
        encoded("gateway"),
        encoded(":secret"),
        encoded("gateway:%zz"),
        encoded(&format!("gateway:{SECRET}")),
        encoded("gateway:"),
        basic("gateway", "wrong"),
        basic("nobody", SECRET),
        basic("gateway ", SECRET),
    ];
    for header in &malformed {
        let answer = ask(&server, &[header], &[]).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()), "{header}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic"), "{header}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for parameters in [
        &[("client_id", "gateway")][..],
        &[("client_id", "gateway"), ("client_secret", "wrong")],
        &[("client_id", "gateway"), ("client_secret", "")],
        &[("client_id", "nobody"), ("client_secret", SECRET)],
        &[("client_secret", SECRET)],
        &[],
        &[
            ("client_id", "gateway"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", "eyJhbGciOiJub25lIn0.e30."),
        ],
    ] {
        let answer = ask(&server, &[], parameters).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()), "{parameters:?}");
    }
}

#[tokio::test]
async fn one_method_and_one_client_at_a_time() {
    let server = Server::start().await;
    let good = basic("gateway", SECRET);
    let both = [("client_id", "gateway"), ("client_secret", SECRET)];
    assert_eq!(ask(&server, &[&good], &both).await.error(), (400, "invalid_request".into()));
    let other = [("client_id", "portal")];
    assert_eq!(ask(&server, &[&good], &other).await.error(), (400, "invalid_request".into()));
    let twice = ask(&server, &[&good, &good], &[]).await;
    assert!(matches!(twice.status, 400 | 401), "{twice:#?}");
}

/// The caller is told what every caller is told; who has to repair a client reads which one it is.
#[tokio::test]
async fn a_client_that_does_not_prove_itself_is_named_in_the_log() {
    let server = Server::start().await;
    let heard = LogCapture::here();
    let named = [("client_id", "gateway")];
    for (authorization, parameters, sentence) in [
        (None, &named[..], "this client must authenticate with its secret"),
        (Some(basic("gateway", "wrong")), &[], "the client credentials are wrong"),
        (None, &[named[0], ("client_secret", "wrong")], "the client credentials are wrong"),
    ] {
        let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
        let answer = ask(&server, &authorization, parameters).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()));
        let line = heard.from_info_up().pop().unwrap();
        assert_eq!(line.field("message"), "token request refused");
        let detail = line.field("detail");
        assert!(detail.contains("gateway") && detail.contains(sentence), "{line:?}");
    }
}

/// Unknown clients and wrong secrets read the same.
#[tokio::test]
async fn refusals_do_not_tell_which_clients_exist() {
    let server = Server::start().await;
    let unknown = ask(&server, &[&basic("nobody", "wrong")], &[]).await;
    let wrong = ask(&server, &[&basic("gateway", "wrong")], &[]).await;
    // But for the number that every request has of its own.
    let said = |answer: &Answer| answer.text.replace(answer.header("request-id").unwrap(), "ID");
    assert_eq!((unknown.status, said(&unknown)), (wrong.status, said(&wrong)));
}

/// A secret proves nothing of a public client, and takes nothing from it either.
#[tokio::test]
async fn a_public_client_stays_public() {
    let server = Server::start().await;
    let with_secret = server.cli().with_proof(Proof::Post("anything".into()));
    let tokens = with_secret.tokens_for("ada", &[("scope", "tools:use")]).await;
    assert!(tokens["access_token"].is_string());
    for grant in ["client_credentials", crate::client::EXCHANGE] {
        let asked = pairs(&[
            ("grant_type", grant),
            ("subject_token", "x"),
            ("subject_token_type", crate::client::ACCESS_TOKEN),
        ]);
        assert_eq!(with_secret.token(&asked).await.error(), (400, "unauthorized_client".into()), "{grant}");
    }
    let asked = pairs(&[("token", "x")]);
    assert_eq!(with_secret.post("/oauth2/introspect", &asked).await.error(), (401, "invalid_client".into()));
}
