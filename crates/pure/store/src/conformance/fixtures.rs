//! Values to store, made the way the authorization server makes them.

use std::net::IpAddr;
use std::time::Duration;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ConnectorName, GrantId, SubjectId};
use gatehouse_identity::rng::Rng;
use gatehouse_oauth::client::{ClientKind, RefreshCondition, RefreshProfile, RotationProfile};
use gatehouse_oauth::grant::{
    Active, AuthenticatedUser, BrowserBinding, CodeHash, Consented, Grant, Pending, SessionHash, Stage,
    new_code,
};
use gatehouse_oauth::refresh::{Participant, RefreshFamily, RefreshRules, RefreshToken, Rotation};
use serde_json::{Map, json};

use super::{Finding, won};
use crate::Store;

/// How long a browser has to finish a sign-in.
pub(super) const SIGN_IN: Duration = Duration::from_mins(10);

/// A store with its surroundings.
pub struct Scene<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The same place, opened by another node.
    pub other_node: &'a dyn Store,
    /// Where ids come from.
    pub rng: &'a dyn Rng,
    /// The time at which it plays.
    pub now: Timestamp,
}

/// A stored grant whose code waits, with what redeeming it would write.
pub struct Redeemable {
    /// The hash of the code.
    pub code: CodeHash,
    /// The grant once redeemed.
    pub active: Active,
    /// The refresh family that begins then.
    pub family: RefreshFamily,
    /// The first token of the family.
    pub token: RefreshToken,
}

impl Scene<'_> {
    /// The time `by` later.
    pub(super) fn later(&self, by: Duration) -> Timestamp {
        self.now.plus(by)
    }

    pub(super) fn user(&self, name: &str) -> AuthenticatedUser {
        AuthenticatedUser {
            subject: SubjectId::new(name),
            connector: ConnectorName::new("staff"),
            upstream_issuer: None,
            upstream_subject: name.to_owned(),
            attributes: Map::from_iter([("email".to_owned(), json!(format!("{name}@example.com")))]),
            groups_complete: Some(true),
            groups: vec!["eng".to_owned(), "größe \u{1f511} 'quoted'".to_owned()],
            auth_time: self.now,
            amr: vec!["pwd".to_owned()],
            session: Some(SessionHash::of(&self.rng.token(32))),
        }
    }

    /// A grant at its first stage, not stored.
    pub(super) fn pending(&self, client: &str) -> Result<Pending, Finding> {
        let request = serde_json::from_value(json!({
            "client": client,
            "redirect_uri": "http://127.0.0.1:29352/callback",
            "redirect_parameter": "sent",
            "state": self.rng.token(8),
            "scopes": "openid ledger:read",
            "audiences": ["https://gateway.example/mcp"],
            "challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "nonce": "n-0S6_WzA2Mj",
            "prompt": ["consent"],
            "max_age": null,
            "login_hint": null,
            "acr_values": [],
            "ui_locales": null,
            "id_token_hint": null,
        }))
        .map_err(|error| Finding(format!("the scene's request does not fit oauth any more: {error}")))?;
        let browser = BrowserBinding::of(&self.rng.token(32));
        Ok(Pending::new(GrantId::random(self.rng), request, browser, self.now, SIGN_IN))
    }

    /// A grant whose code waits, taken through the store step by step.
    pub async fn redeemable(&self, client: &str, user: &str) -> Result<Redeemable, super::Failure> {
        self.stored(client, user).await.map_err(|finding| super::Failure { case: "fixture", why: finding.0 })
    }

    pub(super) async fn stored(&self, client: &str, user: &str) -> Result<Redeemable, Finding> {
        let grants = self.store.grants();
        let pending = self.pending(client)?;
        won("inserting a grant", grants.insert(&pending).await?)?;
        let authenticated = pending.authenticate(self.user(user), self.now).map_err(refused)?;
        let step = Grant::Authenticated(authenticated.clone());
        won("authenticating", grants.advance(Stage::Pending, &step, self.now).await?)?;
        let (_, code) = new_code(self.rng);
        let scopes = authenticated.request.scopes.clone();
        let consented = authenticated.consent(scopes, code.clone(), self.now).map_err(refused)?;
        let step = Grant::Consented(consented.clone());
        won("consenting", grants.advance(Stage::Authenticated, &step, self.now).await?)?;
        let active = active(&consented, self.now)?;
        let (family, token) = RefreshFamily::begin(&active, &profile(), self.now, self.rng);
        Ok(Redeemable { code, active, family, token })
    }

    /// A stored family at its first generation.
    pub(super) async fn family(&self, client: &str, user: &str) -> Result<Redeemable, Finding> {
        let scene = self.stored(client, user).await?;
        let redeemed = self.store.grants().redeem(&scene.active, Some(&scene.family), self.now).await?;
        won("redeeming", redeemed)?;
        Ok(scene)
    }

    /// The family's next generation, not stored.
    pub(super) fn rotation(&self, family: &RefreshFamily, token: &RefreshToken) -> Result<Rotation, Finding> {
        let by = Participant::new(IpAddr::from([192, 0, 2, 7]).into(), Some("claude-code/2.1.3 (cli)"));
        let rules = RefreshRules::of(&profile(), ClientKind::Public);
        family.rotate(token, &by, self.now, &rules, self.rng).map_err(refused)
    }
}

/// Refresh tokens for 30 days, for one day without use.
pub(super) fn profile() -> RefreshProfile {
    RefreshProfile {
        lifetime: Duration::from_hours(30 * 24),
        idle_lifetime: Some(Duration::from_hours(24)),
        rotation: RotationProfile::ClaudeNative,
        condition: RefreshCondition::Always,
    }
}

/// The redeemed grant in the form in which it is stored.
fn active(consented: &Consented, now: Timestamp) -> Result<Active, Finding> {
    serde_json::from_value(json!({
        "id": consented.id,
        "client": consented.client,
        "user": consented.user,
        "scopes": consented.scopes,
        "audiences": consented.audiences,
        "nonce": consented.request.nonce,
        "code": consented.code,
        "proof": consented.proof(),
        "redeemed_at": now,
        "expires_at": now.plus(profile().lifetime),
        "revoked_at": null,
    }))
    .map_err(|error| Finding(format!("the scene's active grant does not fit oauth any more: {error}")))
}

fn refused(error: impl std::error::Error) -> Finding {
    Finding(format!("the scene cannot go on: {error}"))
}
