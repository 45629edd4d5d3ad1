//! HTTP, one request per connection, and what comes back.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpSocket;
use url::Url;
use url::form_urlencoded::{Serializer, parse};

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Sends `request` to `address`.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    send_from(Ipv4Addr::LOCALHOST, address, request).await
}

/// Sends `request` to `address` from another address of this machine.
pub(crate) async fn send_from(from: Ipv4Addr, address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let talk = async move {
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    };
    // The sender ends with the talk, and the connection with the sender; how it ends is of no interest.
    let (answer, _ended) = tokio::join!(talk, connection);
    answer
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form(parameters: &[(impl AsRef<str>, impl AsRef<str>)]) -> String {
    let mut form = Serializer::new(String::new());
    form.extend_pairs(parameters);
    form.finish()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The JSON of a successful answer.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:#?}");
        self.json()
    }

    /// The status and OAuth error code of a refused request.
    #[track_caller]
    pub(crate) fn error(&self) -> (u16, String) {
        let json = self.json();
        let code = json["error"].as_str().unwrap_or_else(|| panic!("no error: {self:#?}"));
        (self.status, code.to_owned())
    }

    /// Where the browser is sent.
    #[track_caller]
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 303, "{self:#?}");
        self.header("location").unwrap()
    }

    /// The query parameters of the redirect.
    #[track_caller]
    pub(crate) fn redirected(&self) -> Vec<(String, String)> {
        parameters(self.location())
    }

    /// One query parameter of the redirect.
    #[track_caller]
    pub(crate) fn redirected_with(&self, name: &str) -> Option<String> {
        self.redirected().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The hidden fields of the form on a page.
    pub(crate) fn fields(&self) -> Vec<(String, String)> {
        let inputs = self.text.split("<input type=\"hidden\" ").skip(1);
        let value = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            Some(rest.split_once('"')?.0.to_owned())
        };
        inputs.filter_map(|tag| Some((value(tag, "name")?, value(tag, "value")?))).collect()
    }

    #[track_caller]
    pub(crate) fn assert_page(&self, status: u16, says: &str) {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(self.text.contains(says), "the page does not say {says:?}: {self:#?}");
    }
}

/// The query parameters of a URL.
pub(crate) fn parameters(url: &str) -> Vec<(String, String)> {
    let url = Url::parse(url).or_else(|_| Url::parse("http://own.example").unwrap().join(url)).unwrap();
    parse(url.query().unwrap_or_default().as_bytes()).into_owned().collect()
}
