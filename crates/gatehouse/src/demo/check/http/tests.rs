use axum::Router;
use axum::routing::{get, post};

use super::*;

#[test]
fn cookies_are_kept_replaced_and_dropped() {
    let mut client = Client::default();
    for cookie in ["a=1; Path=/; HttpOnly", "b=2", "a=3; SameSite=Lax", "b=; Max-Age=0", "junk"] {
        client.keep(cookie);
    }
    assert_eq!(client.cookies, [("a".to_owned(), "3".to_owned())]);
}

#[tokio::test]
async fn talks_to_a_server() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = url(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let router = Router::new().route("/set", get(|| async { ([(SET_COOKIE, "s=1; Path=/")], "ok") })).route(
        "/echo",
        post(|headers: HeaderMap, body: String| async move {
            format!("{} {body}", headers.get(COOKIE).unwrap().to_str().unwrap())
        }),
    );
    let server = tokio_util::task::TaskTracker::new();
    let task = server.spawn(async move { axum::serve(listener, router).await });
    let mut client = Client::default();
    let answer = client.send(Call::get(join_url(&base, "/set").unwrap())).await.unwrap();
    assert_eq!(answer.with_status(200).unwrap().text(), "ok");
    let form = Call::form(join_url(&base, "/echo").unwrap(), &[("a".into(), "1 2".into())]);
    assert_eq!(client.send(form).await.unwrap().text(), "s=1 a=1+2");
    assert_eq!(client.cookies().collect::<Vec<_>>(), ["1"]);
    let missing = client.send(Call::get(join_url(&base, "/no").unwrap())).await.unwrap();
    assert!(missing.with_status(200).is_err());
    task.abort();
}
