//! While the store or the audit log is down nothing is acknowledged, and the answer says that it will pass [RD-04].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::id::{ClientId, GrantId, SubjectId, TokenId};
use gatehouse_oauth::grant::{Active, CodeHash, Grant, Pending, SessionHash, Stage};
use gatehouse_oauth::refresh::{FamilyId, RefreshFamily};
use gatehouse_store::Store;
use gatehouse_store::consent::{Consent, ConsentRepository};
use gatehouse_store::error::StoreError;
use gatehouse_store::grant::GrantRepository;
use gatehouse_store::maintenance::Maintenance;
use gatehouse_store::one_time::OneTimeRepository;
use gatehouse_store::refresh::RefreshRepository;
use gatehouse_store::revocation::{RevocationRepository, RevokedToken};
use gatehouse_store::session::{Session, SessionRepository};
use gatehouse_store::signing_key::SigningKeyRepository;
use gatehouse_store::transition::Transition;

use crate::answer::Answer;
use crate::browser::Browser;
use crate::client::{pairs, text};
use crate::server::{PASSWORD, Setup};
use crate::userinfo;

/// A store that can be taken away.
struct Moody {
    inner: Arc<dyn Store>,
    down: Arc<AtomicBool>,
}

/// What is left of it then.
struct Gone;

impl Moody {
    fn is_down(&self) -> bool {
        self.down.load(Ordering::SeqCst)
    }
}

impl Store for Moody {
    fn grants(&self) -> &dyn GrantRepository {
        if self.is_down() { &Gone } else { self.inner.grants() }
    }

    fn refresh_families(&self) -> &dyn RefreshRepository {
        if self.is_down() { &Gone } else { self.inner.refresh_families() }
    }

    fn sessions(&self) -> &dyn SessionRepository {
        if self.is_down() { &Gone } else { self.inner.sessions() }
    }

    fn consents(&self) -> &dyn ConsentRepository {
        if self.is_down() { &Gone } else { self.inner.consents() }
    }

    fn one_time(&self) -> &dyn OneTimeRepository {
        self.inner.one_time()
    }

    fn signing_keys(&self) -> &dyn SigningKeyRepository {
        self.inner.signing_keys()
    }

    fn revocations(&self) -> &dyn RevocationRepository {
        if self.is_down() { &Gone } else { self.inner.revocations() }
    }

    fn maintenance(&self) -> &dyn Maintenance {
        self.inner.maintenance()
    }
}

fn gone<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable { reason: "STORE-CANARY".to_owned() })
}

#[async_trait]
impl GrantRepository for Gone {
    async fn insert(&self, _: &Pending) -> Result<Transition, StoreError> {
        gone()
    }
    async fn find(&self, _: &GrantId, _: Timestamp) -> Result<Option<Grant>, StoreError> {
        gone()
    }
    async fn find_by_code(&self, _: &CodeHash, _: Timestamp) -> Result<Option<Grant>, StoreError> {
        gone()
    }
    async fn advance(&self, _: Stage, _: &Grant, _: Timestamp) -> Result<Transition, StoreError> {
        gone()
    }
    async fn redeem(
        &self,
        _: &Active,
        _: Option<&RefreshFamily>,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        gone()
    }
    async fn revoke(&self, _: &GrantId, _: Timestamp) -> Result<Transition, StoreError> {
        gone()
    }
    async fn revoke_all_of_user(&self, _: &SubjectId, _: Timestamp) -> Result<u64, StoreError> {
        gone()
    }
    async fn revoke_all_of_client(&self, _: &ClientId, _: Timestamp) -> Result<u64, StoreError> {
        gone()
    }
}

#[async_trait]
impl RefreshRepository for Gone {
    async fn find(&self, _: &FamilyId, _: Timestamp) -> Result<Option<RefreshFamily>, StoreError> {
        gone()
    }
    async fn rotate(&self, _: &RefreshFamily, _: u64, _: Timestamp) -> Result<Transition, StoreError> {
        gone()
    }
    async fn mark_successor_used(
        &self,
        _: &GrantId,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        gone()
    }
    async fn count_stale_hit(
        &self,
        _: &FamilyId,
        _: u64,
        _: u32,
        _: Timestamp,
    ) -> Result<Transition, StoreError> {
        gone()
    }
    async fn revoke(&self, _: &FamilyId, _: Timestamp) -> Result<Transition, StoreError> {
        gone()
    }
}

#[async_trait]
impl SessionRepository for Gone {
    async fn insert(&self, _: &SessionHash, _: &Session) -> Result<Transition, StoreError> {
        gone()
    }
    async fn find(&self, _: &SessionHash, _: Timestamp) -> Result<Option<Session>, StoreError> {
        gone()
    }
    async fn extend(&self, _: &SessionHash, _: Timestamp, _: Timestamp) -> Result<Transition, StoreError> {
        gone()
    }
    async fn end(&self, _: &SessionHash) -> Result<Transition, StoreError> {
        gone()
    }
    async fn end_all_of_user(&self, _: &SubjectId) -> Result<u64, StoreError> {
        gone()
    }
}

#[async_trait]
impl ConsentRepository for Gone {
    async fn is_remembered(&self, _: &Consent, _: Timestamp) -> Result<bool, StoreError> {
        gone()
    }
    async fn remember(&self, _: &Consent, _: Timestamp, _: Timestamp) -> Result<(), StoreError> {
        gone()
    }
    async fn forget(&self, _: &SubjectId, _: &ClientId) -> Result<u64, StoreError> {
        gone()
    }
    async fn all_of(&self, _: &SubjectId, _: Timestamp) -> Result<Vec<Consent>, StoreError> {
        gone()
    }
}

#[async_trait]
impl RevocationRepository for Gone {
    async fn revoke_token(&self, _: &TokenId, _: Timestamp) -> Result<(), StoreError> {
        gone()
    }
    async fn is_revoked(&self, _: &TokenId, _: Timestamp) -> Result<bool, StoreError> {
        gone()
    }
    async fn revoked_since(&self, _: u64, _: Timestamp) -> Result<Vec<RevokedToken>, StoreError> {
        gone()
    }
}

#[track_caller]
fn assert_passing(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:#?}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{answer:#?}");
    assert!(!answer.text.contains("CANARY"), "{answer:#?}");
}

#[tokio::test]
async fn what_needs_the_store_says_so_and_the_rest_goes_on() {
    let down = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&down);
    let server = Setup::new().start_behind(|inner| Arc::new(Moody { inner, down: switch })).await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let mut browser = Browser::new(&server);
    let login = browser.visit(&cli.authorization_url(&[])).await;
    let mut other = Browser::new(&server);
    let consent = other.visit(&cli.authorization_url(&[])).await;
    let consent = other.sign_in(&consent, "ada", PASSWORD).await;

    down.store(true, Ordering::SeqCst);
    let token = pairs(&[("token", access)]);
    let machines = [
        cli.redeem(&code).await,
        cli.refresh(refresh, &[]).await,
        gateway.exchange(access, &[]).await,
        gateway.post("/oauth2/introspect", &token).await,
        cli.post("/oauth2/revoke", &token).await,
        userinfo::get(&server, &[&format!("Bearer {access}")]).await,
    ];
    for answer in &machines {
        assert_passing(answer);
        assert_eq!(answer.error().1, "temporarily_unavailable");
    }
    assert_passing(&Browser::new(&server).get(&cli.authorization_url(&[])).await);
    assert_passing(&browser.sign_in(&login, "ada", PASSWORD).await);
    assert_passing(&other.decide(&consent, "approve").await);
    for path in ["/.well-known/openid-configuration", "/oauth2/jwks"] {
        assert_eq!(Browser::new(&server).get(path).await.status, 200);
    }
    let own = pairs(&[("grant_type", "client_credentials"), ("audience", "https://tools.example/api")]);
    gateway.token(&own).await.ok();

    down.store(false, Ordering::SeqCst);
    cli.redeem(&code).await.ok();
    cli.refresh(refresh, &[]).await.ok();
    browser.sign_in(&login, "ada", PASSWORD).await.assert_page(200, "value=\"approve\"");
    assert!(other.decide(&consent, "approve").await.redirected_with("code").is_some());
    userinfo::get(&server, &[&format!("Bearer {access}")]).await.ok();
}

/// A token or a code of which there would be no evidence is not handed out.
#[tokio::test]
async fn nothing_is_handed_out_without_evidence() {
    let server = Setup::new().start().await;
    let (cli, gateway) = (server.cli(), server.gateway());
    let tokens = cli.tokens_for("ada", &[("scope", "openid tools:use")]).await;
    let code = cli.code_for("ada", &[("scope", "tools:use")]).await;
    let mut browser = Browser::new(&server);
    let consent = browser.visit(&cli.authorization_url(&[])).await;
    let consent = browser.sign_in(&consent, "ada", PASSWORD).await;

    server.records.refuse(true);
    let own = pairs(&[("grant_type", "client_credentials"), ("audience", "https://tools.example/api")]);
    let answers = [
        cli.redeem(&code).await,
        cli.refresh(text(&tokens, "refresh_token"), &[]).await,
        gateway.exchange(text(&tokens, "access_token"), &[]).await,
        gateway.token(&own).await,
    ];
    for answer in &answers {
        assert_passing(answer);
        assert!(answer.json().get("access_token").is_none());
    }
    assert_passing(&browser.decide(&consent, "approve").await);
    server.records.refuse(false);
    gateway.token(&own).await.ok();
    // The answer that was held back can be had again: nobody has used the successor.
    cli.refresh(text(&tokens, "refresh_token"), &[]).await.ok();
}
