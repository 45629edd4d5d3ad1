//! A client of the Messages API that sends and keeps bytes.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::gateway::{Gateway, TEAM_KEY};

/// Longer than anything takes that works.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its proper end.
    pub(crate) whole: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Checks that this is the error envelope of the API, and gives its status and type.
    pub(crate) fn error(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["type"], "error", "{self:?}");
        assert_eq!(json["request_id"], self.header("request-id").unwrap(), "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert!(!json["error"]["message"].as_str().unwrap().is_empty());
        (self.status, json["error"]["type"].as_str().unwrap().to_owned())
    }
}

/// A message with the team's key.
pub(crate) async fn message(gateway: &Gateway, body: &[u8]) -> Answer {
    post(gateway, "/v1/messages", &[("x-api-key", TEAM_KEY)], body).await
}

pub(crate) async fn post(gateway: &Gateway, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut all = headers.to_vec();
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        all.push(("content-type", "application/json"));
    }
    ask(gateway, &format!("POST {path}"), &all, body).await
}

pub(crate) async fn get(gateway: &Gateway, path: &str) -> Answer {
    ask(gateway, &format!("GET {path}"), &[("x-api-key", TEAM_KEY)], b"").await
}

pub(crate) async fn ask(gateway: &Gateway, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let stream = open(gateway, line, headers, body).await;
    until_closed(stream).await
}

/// A connection on which a request has been sent.
pub(crate) async fn open(gateway: &Gateway, line: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let declared = headers.iter().any(|(name, _)| *name == "content-length");
    let length = if line.starts_with("POST") && !declared {
        format!("content-length: {}\r\n", body.len())
    } else {
        String::new()
    };
    let host = gateway.address;
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{fields}{length}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

pub(crate) async fn until_closed(mut stream: TcpStream) -> Answer {
    let mut read = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut read)).await.expect("the connection closes");
    let at = read.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(read.len());
    let head = String::from_utf8_lossy(&read[..at]).into_owned();
    let rest = read.get(at + 4..).unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let headers: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let of = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let (body, whole) = if of("transfer-encoding") == Some("chunked") {
        unchunk(rest)
    } else {
        let length = of("content-length").and_then(|text| text.parse().ok());
        (rest.to_vec(), length.is_none_or(|length: usize| length == rest.len()))
    };
    Answer { status, headers, body, whole }
}

/// The content of a chunked body, and whether it has its end.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(at) = rest.windows(2).position(|window| window == b"\r\n") else { return (body, false) };
        let length = usize::from_str_radix(&String::from_utf8_lossy(&rest[..at]), 16).unwrap();
        if length == 0 {
            return (body, rest.ends_with(b"\r\n\r\n"));
        }
        let Some(chunk) = rest.get(at + 2..at + 2 + length) else { return (body, false) };
        body.extend_from_slice(chunk);
        rest = rest.get(at + 4 + length..).unwrap_or_default();
    }
}
