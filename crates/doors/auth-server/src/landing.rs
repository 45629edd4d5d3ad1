//! What a person sees who comes to an address of the gateway that is meant for nobody, or for programs.

use std::future::ready;

use http::{Method, StatusCode};

use gatehouse_config::snapshot::Snapshot;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::rejection::{Rejection, RejectionKind};
use gatehouse_edge::server::routes::{Outcome, Route};

use crate::dialect;
use crate::page::{self, Message};

/// Where clients ask that have read no metadata (the defaults of MCP 2025-03-26, and what other servers have).
const GUESSED: [&str; 3] = ["/authorize", "/oauth/authorize", "/oauth2/authorize"];

/// The page at the root of the origin, and pages where applications send people that guess the authorization endpoint.
/// They give way to whatever else is served at these paths.
pub fn landing_routes(snapshot: &Snapshot) -> Vec<Route> {
    let page = dialect::page;
    let signout = snapshot.authorization_server.as_ref().map(|server| server.endpoints.signout.clone());
    let root = Route::public("landing", Method::GET, "/", page, move |_body, context| {
        ready(landing(signout.as_deref(), &context))
    });
    let endpoint =
        snapshot.authorization_server.as_ref().map(|server| server.endpoints.authorization.clone());
    let guessed = endpoint.into_iter().flat_map(|endpoint| {
        GUESSED.map(|path| {
            let endpoint = endpoint.clone();
            Route::public("landing.authorize", Method::GET, path, page, move |_body, _context| {
                ready(guessed(&endpoint))
            })
        })
    });
    std::iter::once(root).chain(guessed).collect()
}

fn landing(signout: Option<&str>, context: &Context<Public>) -> Outcome {
    let message = Message {
        nonce: context.request_id.as_str(),
        title: "This is a Gatehouse",
        sentences: &[
            "Programs such as Claude sign people in here, and reach tools and models through it.",
            "There is nothing to do on this page: start in your application, and it will bring you to the right one.",
        ],
        link: signout.map(|path| (path, "Sign out of this browser")),
        request_id: None,
    };
    page::show(&message, StatusCode::OK, message.nonce, &[])
}

fn guessed(endpoint: &str) -> Outcome {
    let public = format!(
        "This is a Gatehouse, but nobody signs in at this address: applications send people to {endpoint}. The one that \
         sent you here has not read the server's metadata (/.well-known/oauth-authorization-server)."
    );
    Err(Rejection::new(RejectionKind::NotFound, "route_unknown", public))
}
