use bytes::Bytes;
use gatehouse_testkit::browser::sign_in;
use gatehouse_testkit::fixture::World;
use gatehouse_testkit::process::{Gateway, HOST};
use gatehouse_testkit::raw_http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::credentials::bad;
use super::protected::{assert_refused, door_of};
use super::{Entry, assert_untouched, audited, catalogue};

type Connection = SendRequest<Full<Bytes>>;

#[expect(clippy::disallowed_methods, reason = "the connection ends with the test")]
async fn connect(gateway: &Gateway) -> Connection {
    let stream = TcpStream::connect(gateway.public).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(connection: &mut Connection, request: &Request) -> Response {
    let mut built = http::Request::builder()
        .method(request.method())
        .uri(format!("http://{HOST}{}", request.path_and_query()));
    for (name, value) in request.headers() {
        built = built.header(name.as_str(), value.as_slice());
    }
    let request = built.body(Full::from(request.content().to_vec())).unwrap();
    connection.ready().await.unwrap();
    let (head, body) = connection.send_request(request).await.unwrap().into_parts();
    let headers = head.headers.iter();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Response {
        status: head.status.as_u16(),
        headers: headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

/// The same refusals over HTTP/2, where one connection carries them all.
#[test]
fn http_2_opens_no_other_way_in() {
    let world = World::new(&crate::binary(), "");
    let gateway = world.serve();
    let guest = sign_in(&gateway, &world.public_application(), &world.ada(), &|request| request);
    let entries = catalogue(&world);
    let protected: Vec<&Entry> = entries.iter().filter(|entry| entry.protected).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut ids = Vec::new();
    runtime.block_on(async {
        let mut connection = connect(&gateway).await;
        for entry in &protected {
            for case in bad(&world, &guest, door_of(entry)) {
                let response = send(&mut connection, &case.apply(entry.request(), &entry.path)).await;
                assert_refused(
                    &format!("{} {} with {}", entry.method, entry.path, case.name),
                    entry,
                    &case,
                    &response,
                );
                ids.push(response.header("request-id").to_owned());
            }
        }
        // Between all of them the right credential opens, on the same connection.
        let good = Request::get("/v1/models").header("x-api-key", &world.secrets.api_key);
        assert_eq!(send(&mut connection, &good).await.status, 200);
        assert_eq!(send(&mut connection, &Request::get("/v1/models")).await.status, 401);
        for path in ["//v1/models", "/v1/./models", "/v1/%2e%2e/v1/models", "/V1/models", "/v1/models/"] {
            let response =
                send(&mut connection, &Request::get(path).header("x-api-key", &world.secrets.api_key)).await;
            assert!(matches!(response.status, 400 | 404), "{path}: {}", response.status);
        }
    });
    assert!(ids.len() > 1_000, "only {} refusals", ids.len());
    let records = audited(&gateway, ids.iter().map(String::as_str));
    for id in &ids {
        let record = &records[id];
        let event =
            if record["reason"] == "credential_repeated" { "request.refused" } else { "credential.refused" };
        assert_eq!(record["event"], event, "{record}");
    }
    assert_untouched(&world);
}
