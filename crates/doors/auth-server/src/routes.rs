//! The table of routes: everything that the authorization server answers.

use std::future::Future;
use std::sync::Arc;

use http::Method;
use hyper::body::Incoming;

use gatehouse_audit::event::EventKind;
use gatehouse_config::snapshot::Snapshot;
use gatehouse_config::snapshot::authorization_server::Endpoints;
use gatehouse_edge::context::{Context, Public};
use gatehouse_edge::server::routes::{Origins, Outcome, Render, Route};

use crate::server::AuthServer;
use crate::{
    authorize, consent, dialect, federation, introspection, login, metadata, revocation, signout, token,
    userinfo,
};

impl AuthServer {
    /// Everything that is answered under `snapshot`; nothing when it is no authorization server.
    pub fn routes(self: &Arc<Self>, snapshot: &Snapshot) -> Vec<Route> {
        let Some(server) = &snapshot.authorization_server else { return Vec::new() };
        let mut routes = metadata::routes(server, &self.issuer);
        routes.extend(self.page_routes(snapshot, &server.endpoints));
        routes.extend(self.program_routes(&server.endpoints));
        routes
    }

    /// What browsers come to.
    fn page_routes(self: &Arc<Self>, snapshot: &Snapshot, endpoints: &Endpoints) -> Vec<Route> {
        let page = dialect::page as Render;
        let (get, post) = (Method::GET, Method::POST);
        let (login, consent) = (&endpoints.login, &endpoints.consent);
        let authorize = |method| {
            let handler = self.handler(authorize::authorize);
            Route::public("oauth.authorize", method, &endpoints.authorization, page, handler)
                .with_audit(EventKind::AuthorizationRequest)
        };
        let mut routes = vec![
            authorize(Method::GET),
            authorize(Method::POST),
            Route::public("signin.page", get.clone(), login, page, self.handler(login::show))
                .with_audit(EventKind::SigninFailure),
            Route::public("signin.password", post.clone(), login, page, self.handler(login::submit))
                .with_audit(EventKind::SigninFailure),
            Route::public("consent.page", get, consent, page, self.handler(consent::show))
                .with_audit(EventKind::ConsentGranted),
            Route::public("consent.decision", post, consent, page, self.handler(consent::decide))
                .with_audit(EventKind::ConsentDenied),
            Route::public("signout.page", Method::GET, &endpoints.signout, page, self.handler(signout::show)),
            Route::public("signout", Method::POST, &endpoints.signout, page, self.handler(signout::end))
                .with_audit(EventKind::Signout),
        ];
        routes.extend(federation::callback_paths(snapshot).into_iter().map(|path| {
            let handler = self.handler(federation::callback);
            Route::public("signin.callback", Method::GET, path, page, handler)
                .with_audit(EventKind::SigninFailure)
        }));
        routes
    }

    /// What programs call. None of it uses cookies, so web pages of any origin may.
    fn program_routes(self: &Arc<Self>, endpoints: &Endpoints) -> Vec<Route> {
        let json = dialect::json as Render;
        let userinfo = |method| {
            Route::public(
                "oauth.userinfo",
                method,
                &endpoints.userinfo,
                json,
                self.handler(userinfo::userinfo),
            )
            .with_audit(EventKind::CredentialRefused)
        };
        let routes = [
            userinfo(Method::GET),
            userinfo(Method::POST),
            Route::public("oauth.token", Method::POST, &endpoints.token, json, self.handler(token::token))
                .with_audit(EventKind::TokenIssue),
            Route::public(
                "oauth.introspect",
                Method::POST,
                &endpoints.introspection,
                json,
                self.handler(introspection::introspect),
            )
            .with_audit(EventKind::TokenIntrospect),
            Route::public(
                "oauth.revoke",
                Method::POST,
                &endpoints.revocation,
                json,
                self.handler(revocation::revoke),
            )
            .with_audit(EventKind::TokenRevoke),
        ];
        routes.map(|route| route.with_origins(Origins::Any)).into()
    }

    /// Who words the 404 and 405 answers below which paths.
    pub fn fallbacks(snapshot: &Snapshot) -> Vec<(String, Render)> {
        let Some(server) = &snapshot.authorization_server else { return Vec::new() };
        let endpoints = &server.endpoints;
        let pages = [&endpoints.authorization, &endpoints.login, &endpoints.consent];
        let machines = [&endpoints.token, &endpoints.jwks, &endpoints.userinfo];
        let more = [&endpoints.introspection, &endpoints.revocation];
        let pages = pages.into_iter().map(|path| (path.clone(), dialect::page as Render));
        let machines = machines.into_iter().chain(more).map(|path| (path.clone(), dialect::json as Render));
        pages.chain(machines).chain([("/federation".to_owned(), dialect::page as Render)]).collect()
    }

    fn handler<F, Fut>(
        self: &Arc<Self>,
        act: F,
    ) -> impl Fn(Incoming, Context<Public>) -> Fut + Send + Sync + 'static
    where
        F: Fn(Arc<Self>, Incoming, Context<Public>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let door = Arc::clone(self);
        move |body, context| act(Arc::clone(&door), body, context)
    }
}
