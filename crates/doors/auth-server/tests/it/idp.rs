//! An OpenID Connect provider as small as it can be, which misbehaves on request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::form_urlencoded::parse;

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;

use crate::client::Parameters;
use crate::server::key_pair;

/// A running provider.
pub(crate) struct Idp {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    stop: CancellationToken,
}

/// What a provider does.
struct State {
    issuer: String,
    keys: Vec<Value>,
    metadata: Value,
    token: (u16, Value),
    userinfo: Value,
    asked: Vec<(String, Parameters, Option<String>)>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// A provider at another loopback address.
    pub(crate) async fn start_at(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let metadata = json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"),
            "authorization_endpoint": format!("{issuer}/authorize?tenant=t%201"),
            "token_endpoint": format!("{issuer}/token"), "userinfo_endpoint": format!("{issuer}/userinfo"),
            "authorization_response_iss_parameter_supported": true,
        });
        let keys = vec![Self::key().public_jwk()];
        let state =
            State { issuer, keys, metadata, token: (500, json!({})), userinfo: json!({}), asked: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let stop = CancellationToken::new();
        let serve = serve(listener, Arc::clone(&state), stop.clone());
        TaskTracker::new().spawn(serve);
        Self { address, state, stop }
    }

    /// Its key.
    pub(crate) fn key() -> SigningKey {
        key_pair(Algorithm::Rs256)
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes its metadata.
    pub(crate) fn publish(&self, name: &str, value: Value) {
        self.state.lock().unwrap().metadata[name] = value;
    }

    /// Replaces its published keys.
    pub(crate) fn publish_keys(&self, keys: Vec<Value>) {
        self.state.lock().unwrap().keys = keys;
    }

    /// What the token endpoint answers from now on.
    pub(crate) fn answer_token(&self, status: u16, answer: Value) {
        self.state.lock().unwrap().token = (status, answer);
    }

    /// What the userinfo endpoint answers from now on.
    pub(crate) fn answer_userinfo(&self, answer: Value) {
        self.state.lock().unwrap().userinfo = answer;
    }

    /// What it was asked at `path`: parameters and the `Authorization` header.
    pub(crate) fn asked(&self, path: &str) -> Vec<(Parameters, Option<String>)> {
        let state = self.state.lock().unwrap();
        let asked = state.asked.iter().filter(|(asked, _, _)| asked == path);
        asked.map(|(_, parameters, authorization)| (parameters.clone(), authorization.clone())).collect()
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (stream, _) = accepted.unwrap();
        let state = Arc::clone(&state);
        tasks.spawn(async move {
            let service = service_fn(move |request| {
                let state = Arc::clone(&state);
                async move { Ok::<_, std::convert::Infallible>(answer(request, &state).await) }
            });
            // A peer that goes away is no concern of ours.
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let authorization =
        request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut state = state.lock().unwrap();
    state.asked.push((path.clone(), parse(&body).into_owned().collect(), authorization));
    let (status, body) = match path.as_str() {
        "/.well-known/openid-configuration" => (200, state.metadata.clone()),
        "/jwks" => (200, json!({ "keys": state.keys })),
        "/token" => state.token.clone(),
        "/userinfo" => (200, state.userinfo.clone()),
        _ => (404, json!({ "unknown": path, "issuer": state.issuer })),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::from(body.to_string())).unwrap()
}

/// A token with any header and signature.
pub(crate) fn raw_token(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}
