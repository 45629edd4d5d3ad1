//! Signing out of a browser: the way to another account where no page asks, because consent is remembered or never
//! asked for.

use std::sync::Arc;

use http::StatusCode;
use hyper::body::Incoming;

use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::server::routes::Outcome;

use crate::page::{self, Message, readable};
use crate::server::AuthServer;
use crate::session;
use crate::settings::configured;
use crate::step::posted;
use crate::transaction;

/// `GET /signout`: who is signed in, and the button. That a page is opened ends nothing.
pub(crate) async fn show(door: Arc<AuthServer>, _body: Incoming, context: Context<Public>) -> Outcome {
    let nonce = context.request_id.as_str();
    let user = session::current(&door, &context).await?;
    let Some((user, token)) = user.zip(session::form_token(&context)?) else {
        let sentences = ["Start in your application; it will bring you to the sign-in page."];
        let message = Message {
            nonce,
            title: "Nobody is signed in",
            sentences: &sentences,
            link: None,
            request_id: None,
        };
        return page::show(&message, StatusCode::OK, nonce, &[]);
    };
    let page = page::SignOut {
        nonce,
        user: &readable(user.shown_name()),
        action: &configured(&context)?.endpoints.signout,
        csrf: token.expose(),
    };
    page::show(&page, StatusCode::OK, nonce, &[])
}

/// `POST /signout`: ends the browser's session. Tokens that applications have stay good.
pub(crate) async fn end(door: Arc<AuthServer>, body: Incoming, context: Context<Public>) -> Outcome {
    let form = posted(body, &context).await?;
    let token = session::form_token(&context)?;
    if !token.is_some_and(|token| form.one("csrf").is_some_and(|sent| token.matches(sent))) {
        return Err(transaction::foreign_form());
    }
    let server = configured(&context)?;
    if let Some(user) = session::current(&door, &context).await? {
        context.note(|event| {
            event
                .with_subject(&server.issuer, &user.subject)
                .with_user(&user.subject)
                .with_connector(user.connector.as_str())
        });
    }
    session::end(&door, &context).await?;
    page::redirect(&server.endpoints.signout, [session::mark_signed_out(&context)?])
}
