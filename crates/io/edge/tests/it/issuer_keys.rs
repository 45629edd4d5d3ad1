//! Keys of other issuers: fetched once for all who wait, not too often, and kept when the issuer is down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use gatehouse_config::snapshot::discovery::Discovery;
use gatehouse_edge::outbound::jwks::{IssuerKeys, PublishedError};
use gatehouse_identity::clock::Clock;
use gatehouse_identity::id::Issuer;
use gatehouse_identity::issuer::ExpectedIssuer;
use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_testkit::eventually::eventually;

use crate::house::Site;
use crate::peer::{Peer, Reply};

/// An issuer that publishes whatever keys a test wants.
struct Publisher {
    peer: Peer,
    keys: Arc<Mutex<Vec<Value>>>,
    down: Arc<AtomicBool>,
    metadata_reads: Arc<AtomicUsize>,
}

impl Publisher {
    async fn start(pause: Duration) -> Self {
        let (keys, down) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicBool>::default());
        let (published, broken) = (Arc::clone(&keys), Arc::clone(&down));
        let metadata_reads = Arc::<AtomicUsize>::default();
        let reads = Arc::clone(&metadata_reads);
        let peer = Peer::start(move |request| {
            if broken.load(Ordering::SeqCst) {
                return Reply::status(503, "{}");
            }
            if request.starts_with("GET /jwks ") {
                let Reply::Bytes(bytes) =
                    Reply::json(json!({"keys": *published.lock().unwrap()}).to_string())
                else {
                    unreachable!()
                };
                return Reply::Late(pause, bytes);
            }
            reads.fetch_add(1, Ordering::SeqCst);
            let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            Reply::json(
                json!({"issuer": "https://idp.example", "jwks_uri": format!("http://{host}/jwks")})
                    .to_string(),
            )
        })
        .await;
        Self { peer, keys, down, metadata_reads }
    }

    /// Publishes one more key and returns its id.
    fn publish(&self) -> String {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        self.keys.lock().unwrap().push(key.public_jwk());
        key.kid().to_owned()
    }

    fn keys(&self, site: &Site, refresh: Duration) -> IssuerKeys {
        keys_at(&self.peer, site, refresh)
    }

    fn reads(&self) -> usize {
        self.metadata_reads.load(Ordering::SeqCst)
    }
}

fn keys_at(peer: &Peer, site: &Site, refresh: Duration) -> IssuerKeys {
    IssuerKeys::new(
        ExpectedIssuer::Exactly(Issuer::new("https://idp.example")),
        Discovery::at(Url::parse(&peer.url("/.well-known/openid-configuration")).unwrap()),
        refresh,
        site.outbound.egress(None).fetcher.clone(),
        Arc::clone(&site.clock) as Arc<dyn Clock>,
    )
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn those_who_wait_together_wait_for_one_fetch() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::from_millis(200)).await;
    let kid = publisher.publish();
    let keys = publisher.keys(&site, HOUR);
    let asks = (0..64).map(|_| keys.published(Some(&kid)));
    for published in futures_util::future::join_all(asks).await {
        assert!(published.unwrap().keys.contains(&kid));
    }
    assert_eq!(publisher.reads(), 1);
}

#[tokio::test]
async fn an_unknown_kid_is_looked_for_once_in_thirty_seconds() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::ZERO).await;
    let first = publisher.publish();
    let keys = publisher.keys(&site, HOUR);
    assert!(keys.published(Some(&first)).await.unwrap().keys.contains(&first));
    let second = publisher.publish();
    for _ in 0..20 {
        let held = keys.published(Some(&second)).await.unwrap();
        assert!(!held.keys.contains(&second), "it is too early to look again");
    }
    assert_eq!(publisher.reads(), 1);
    site.clock.advance(Duration::from_secs(30));
    assert!(keys.published(Some(&second)).await.unwrap().keys.contains(&second));
    for number in 0..20 {
        keys.published(Some(&format!("made-up-{number}"))).await.unwrap();
    }
    assert_eq!(publisher.reads(), 2);
}

#[tokio::test]
async fn known_keys_are_refreshed_without_anybody_waiting() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::from_millis(300)).await;
    let first = publisher.publish();
    let keys = publisher.keys(&site, HOUR);
    keys.published(Some(&first)).await.unwrap();
    let second = publisher.publish();
    site.clock.advance(Duration::from_secs(3601));
    let started = tokio::time::Instant::now();
    let held = keys.published(Some(&first)).await.unwrap();
    assert!(!held.keys.contains(&second), "what is held is given at once");
    assert!(started.elapsed() < Duration::from_millis(300), "{:?}", started.elapsed());
    eventually(|| keys.held().filter(|held| held.keys.contains(&second)), || "the refreshed keys".to_owned())
        .await;
    assert_eq!(publisher.reads(), 2);
}

#[tokio::test]
async fn the_last_good_keys_last_a_day_without_their_issuer() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::ZERO).await;
    let kid = publisher.publish();
    let keys = publisher.keys(&site, HOUR);
    keys.published(Some(&kid)).await.unwrap();
    publisher.down.store(true, Ordering::SeqCst);
    for _ in 0..23 {
        site.clock.advance(Duration::from_secs(3600));
        assert!(keys.published(Some(&kid)).await.unwrap().keys.contains(&kid));
        // Whether there is such a key, nobody can say now; the first to ask hears why, the next that it was in vain.
        for _ in 0..2 {
            assert!(keys.published(Some("unknown")).await.is_err());
        }
        assert!(keys.published(None).await.unwrap().keys.contains(&kid));
    }
    site.clock.advance(Duration::from_secs(2 * 3600));
    let outdated = keys.published(Some(&kid)).await;
    assert!(
        matches!(outdated, Err(PublishedError::Fetch(_) | PublishedError::CoolingDown(_))),
        "{outdated:?}"
    );
    publisher.down.store(false, Ordering::SeqCst);
    site.clock.advance(Duration::from_secs(31));
    assert!(keys.published(Some(&kid)).await.unwrap().keys.contains(&kid), "and recovers by itself");
    assert!(keys.published(Some("unknown")).await.unwrap().keys.contains(&kid), "the issuer has no such key");
}

#[tokio::test]
async fn a_removed_key_is_gone_after_the_refresh() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::ZERO).await;
    let (old, new) = (publisher.publish(), publisher.publish());
    let keys = publisher.keys(&site, Duration::from_secs(300));
    keys.published(Some(&old)).await.unwrap();
    publisher.keys.lock().unwrap().remove(0);
    site.clock.advance(Duration::from_secs(301));
    keys.published(Some(&new)).await.unwrap();
    eventually(|| keys.held().filter(|held| !held.keys.contains(&old)), || "the key to go".to_owned()).await;
}

#[tokio::test]
async fn an_issuer_that_starts_after_us_is_noticed_within_seconds() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::ZERO).await;
    let kid = publisher.publish();
    publisher.down.store(true, Ordering::SeqCst);
    let keys = publisher.keys(&site, HOUR);
    assert!(matches!(keys.published(Some(&kid)).await, Err(PublishedError::Fetch(_))));
    assert!(matches!(keys.published(Some(&kid)).await, Err(PublishedError::CoolingDown(_))));
    publisher.down.store(false, Ordering::SeqCst);
    site.clock.advance(Duration::from_secs(2));
    assert!(keys.published(Some(&kid)).await.unwrap().keys.contains(&kid));
}

/// A caller who goes away neither wastes the attempt for the others nor causes another one.
#[tokio::test]
async fn a_fetch_outlives_the_caller_who_caused_it() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::from_millis(300)).await;
    let kid = publisher.publish();
    let keys = publisher.keys(&site, HOUR);
    let impatient = tokio::time::timeout(Duration::from_millis(50), keys.published(Some(&kid))).await;
    assert!(impatient.is_err());
    assert!(keys.published(Some(&kid)).await.unwrap().keys.contains(&kid));
    assert_eq!(publisher.reads(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_does_not_spoil_the_others() {
    let site = Site::anywhere();
    let publisher = Publisher::start(Duration::ZERO).await;
    let kid = publisher.publish();
    let secret = json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"});
    publisher.keys.lock().unwrap().insert(0, secret);
    let keys = publisher.keys(&site, HOUR);
    let published = keys.published(Some(&kid)).await.unwrap();
    assert!(published.keys.contains(&kid) && !published.keys.contains("shared"));
    assert_eq!(published.keys.ignored().len(), 1, "{:?}", published.keys.ignored());
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    let site = Site::anywhere();
    let peer = Peer::start(|_| {
        Reply::json(
            json!({"issuer": "https://evil.example", "jwks_uri": "https://evil.example/jwks"}).to_string(),
        )
    })
    .await;
    let keys = keys_at(&peer, &site, HOUR);
    let refused = keys.published(None).await.unwrap_err().to_string();
    assert!(refused.contains("evil.example") && refused.contains("idp.example"), "{refused}");
    assert!(matches!(keys.published(None).await, Err(PublishedError::CoolingDown(_))));
    assert_eq!(peer.seen().len(), 1);
}

/// The configured URL is the operator's word; what its document names is the issuer's.
#[tokio::test]
async fn a_key_set_elsewhere_must_be_public() {
    let site = Site::anywhere();
    let inside = Peer::start(|_| Reply::json("{\"keys\":[]}")).await;
    let elsewhere = inside.url("/jwks");
    let peer = Peer::start(move |_| {
        Reply::json(json!({"issuer": "https://idp.example", "jwks_uri": elsewhere}).to_string())
    })
    .await;
    let keys = keys_at(&peer, &site, HOUR);
    assert!(matches!(keys.published(None).await, Err(PublishedError::Fetch(_))));
    assert!(inside.seen().is_empty(), "nobody was connected to");
}
