//! A browser: it keeps cookies, posts forms of pages that it was shown, and follows redirects on our own site.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::answer::{Answer, form, send_from};
use crate::server::{PASSWORD, Server};

/// A browser with its cookies.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookies: BTreeMap<String, String>,
    address: Ipv4Addr,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self::at(server, Ipv4Addr::LOCALHOST)
    }

    /// A browser at one of the many addresses that this machine has for itself.
    pub(crate) fn at(server: &'a Server, address: Ipv4Addr) -> Self {
        Self { server, cookies: BTreeMap::new(), address }
    }

    /// Opens a page of the server: a path, or a URL at its origin.
    pub(crate) async fn get(&mut self, url: &str) -> Answer {
        let path = self.path(url);
        self.send(Request::get(path), String::new()).await
    }

    /// Posts a form.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(impl AsRef<str>, impl AsRef<str>)]) -> Answer {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", self.server.url(""));
        self.send(request, form(fields)).await
    }

    /// Follows redirects as long as they lead to pages of the server.
    pub(crate) async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..8 {
            if answer.status != 303 {
                return answer;
            }
            let location = answer.location().to_owned();
            if !location.starts_with('/') && !location.starts_with(&self.server.url("/")) {
                return answer;
            }
            answer = self.get(&location).await;
        }
        panic!("redirects without end: {answer:#?}");
    }

    /// Opens a page and follows redirects on the server.
    pub(crate) async fn visit(&mut self, url: &str) -> Answer {
        let answer = self.get(url).await;
        self.follow(answer).await
    }

    /// Fills in the sign-in form of `page`.
    pub(crate) async fn sign_in(&mut self, page: &Answer, username: &str, password: &str) -> Answer {
        let mut fields = page.fields();
        assert!(!fields.is_empty(), "no sign-in form: {page:#?}");
        fields.push(("username".into(), username.into()));
        fields.push(("password".into(), password.into()));
        let answer = self.post("/login", &fields).await;
        self.follow(answer).await
    }

    /// Presses a button of the consent page.
    pub(crate) async fn decide(&mut self, page: &Answer, decision: &str) -> Answer {
        let mut fields = page.fields();
        assert!(!fields.is_empty(), "no consent form: {page:#?}");
        fields.push(("decision".into(), decision.into()));
        self.post("/consent", &fields).await
    }

    /// Goes through sign-in and consent as far as they are asked for; ends with the redirect to the client.
    pub(crate) async fn approve_as(&mut self, username: &str, url: &str) -> Answer {
        let mut answer = self.visit(url).await;
        if answer.text.contains("name=\"password\"") {
            answer = self.sign_in(&answer, username, PASSWORD).await;
        }
        if answer.text.contains("value=\"approve\"") {
            answer = self.decide(&answer, "approve").await;
        }
        answer
    }

    fn path(&self, url: &str) -> String {
        url.strip_prefix(&self.server.url("")).unwrap_or(url).to_owned()
    }

    async fn send(&mut self, request: http::request::Builder, body: String) -> Answer {
        let jar: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = request.header("host", self.server.address.to_string());
        if !jar.is_empty() {
            request = request.header("cookie", jar.join("; "));
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let answer = send_from(self.address, self.server.address, request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0;") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}
