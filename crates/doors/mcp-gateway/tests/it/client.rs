//! MCP clients of both eras, as small as they can be.

use ::bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use crate::gateway::Gateway;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

/// A client of 2026-07-28.
pub(crate) struct Modern<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) path: &'a str,
    pub(crate) token: String,
}

/// A client of an older revision.
pub(crate) struct Legacy<'a> {
    pub(crate) gateway: &'a Gateway,
    pub(crate) path: &'a str,
    pub(crate) token: String,
    pub(crate) session: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body, but for the id that every request has of its own.
    pub(crate) fn without_id(&self) -> String {
        self.text.replace(self.header("request-id").unwrap(), "ID")
    }

    /// The text of a failed tool call.
    pub(crate) fn tool_error(&self) -> String {
        let json = self.json();
        assert_eq!((self.status, &json["result"]["isError"]), (200, &json!(true)), "{self:?}");
        json["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }

    /// The messages of an event stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|json| serde_json::from_str(json).unwrap()).collect()
    }

    pub(crate) fn error_code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// The names of listed tools.
    pub(crate) fn names(&self) -> Vec<String> {
        let json = self.json();
        let tools = json["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools: {self:?}"));
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl<'a> Modern<'a> {
    pub(crate) fn new(gateway: &'a Gateway, subject: &str) -> Self {
        Self { gateway, path: "/mcp", token: gateway.token(subject) }
    }

    pub(crate) fn at(self, path: &'a str) -> Self {
        Self { path, ..self }
    }

    pub(crate) async fn list(&self) -> Answer {
        self.request("tools/list", "", &[]).await
    }

    pub(crate) async fn call(&self, name: &str, arguments: &str) -> Answer {
        self.call_with(name, arguments, &[]).await
    }

    pub(crate) async fn call_with(&self, name: &str, arguments: &str, headers: &[(&str, &str)]) -> Answer {
        let params = format!(r#""name":{},"arguments":{arguments},"#, json!(name));
        let mut all = vec![("mcp-name", name)];
        all.extend(headers);
        self.request("tools/call", &params, &all).await
    }

    pub(crate) async fn request(&self, method: &str, params: &str, headers: &[(&str, &str)]) -> Answer {
        let body = modern_body(method, params, "");
        self.send(method, &body, headers).await
    }

    pub(crate) async fn send(&self, method: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
        all.extend(headers);
        post(self.gateway, self.path, Some(&self.token), body, &all).await
    }
}

impl<'a> Legacy<'a> {
    pub(crate) async fn open(gateway: &'a Gateway, path: &'a str, subject: &str, version: &str) -> Self {
        let token = gateway.token(subject);
        let answer = post(gateway, path, Some(&token), &initialize(version), &[]).await;
        assert_eq!(answer.json()["result"]["protocolVersion"], version, "{answer:?}");
        let session = answer.header("mcp-session-id").expect("a session").to_owned();
        let client = Self { gateway, path, token, session };
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(client.send(initialized).await.status, 202);
        client
    }

    pub(crate) async fn list(&self) -> Answer {
        self.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await
    }

    pub(crate) async fn call(&self, name: &str, arguments: &str) -> Answer {
        let name = json!(name);
        let params = format!(r#"{{"name":{name},"arguments":{arguments}}}"#);
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":"c-1","method":"tools/call","params":{params}}}"#)).await
    }

    pub(crate) async fn send(&self, body: &str) -> Answer {
        post(self.gateway, self.path, Some(&self.token), body, &[("mcp-session-id", &self.session)]).await
    }
}

pub(crate) fn initialize(version: &str) -> String {
    let info = json!({"name": "old", "version": "1"});
    let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string()
}

/// A modern request with id 7; `params` and `meta` are members, each followed by a comma.
pub(crate) fn modern_body(method: &str, params: &str, meta: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}"_meta":{{{meta}"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

pub(crate) async fn post(
    gateway: &Gateway,
    path: &str,
    token: Option<&str>,
    body: &str,
    headers: &[(&str, &str)],
) -> Answer {
    send(gateway, Method::POST, path, token, body, headers).await
}

pub(crate) async fn send(
    gateway: &Gateway,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let response = open(gateway, method, path, token, body, headers).await;
    let (head, body) = response.into_parts();
    let text = body.collect().await.expect("a whole answer").to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
            .collect(),
        text: String::from_utf8(text.to_vec()).unwrap(),
    }
}

/// The head of an answer, its body still to come. `headers` replace the usual ones.
pub(crate) async fn open(
    gateway: &Gateway,
    method: Method,
    path: &str,
    token: Option<&str>,
    body: &str,
    headers: &[(&str, &str)],
) -> Response<Incoming> {
    let stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    TaskTracker::new().spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    let address = gateway.address.to_string();
    let usual = [
        ("host", address.as_str()),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    for (name, value) in usual.iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name)) {
        request = request.header(*name, *value);
    }
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    sender.send_request(request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await.unwrap()
}
