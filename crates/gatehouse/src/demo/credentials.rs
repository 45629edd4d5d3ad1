//! Who appears in the demo, and their credentials, made afresh for every run.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatehouse_identity::rng::Rng;
use gatehouse_identity::secret::Secret;
use gatehouse_identity::static_key;

/// Everybody who has a credential.
pub(crate) struct Credentials {
    /// An engineer who also works for finance.
    pub(crate) ada: Person,
    /// An employee without special rights.
    pub(crate) bob: Person,
    /// Secret of the client `claude-confidential`.
    pub(crate) confidential_secret: Secret,
    /// Secret of the client `mcp-gateway`, with which the gateway exchanges tokens.
    pub(crate) exchange_secret: Secret,
    /// What the model provider takes from the gateway.
    pub(crate) provider_key: Secret,
    /// Key of the audit log's checkpoints: PKCS#8 in base64.
    pub(crate) audit_key: Secret,
    /// Static API key of `build-bot`.
    pub(crate) api_key: Secret,
}

/// Somebody who signs in.
pub(crate) struct Person {
    /// What to type.
    pub(crate) username: &'static str,
    /// What to type next.
    pub(crate) password: Secret,
}

impl Credentials {
    /// New credentials for everybody.
    pub(crate) fn new(rng: &dyn Rng) -> Self {
        let person =
            |username| Person { username, password: Secret::new(format!("{username}-{}", rng.token(9))) };
        let secret = |name: &str| Secret::new(format!("{name}-{}", rng.token(24)));
        Self {
            ada: person("ada"),
            bob: person("bob"),
            confidential_secret: secret("confidential"),
            exchange_secret: secret("exchange"),
            provider_key: secret("provider"),
            audit_key: ed25519(rng),
            api_key: static_key::generate(rng),
        }
    }
}

/// What a private key of Ed25519 begins with in PKCS#8 (RFC 8410 §7).
const ED25519: [u8; 16] = [48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];

fn ed25519(rng: &dyn Rng) -> Secret {
    let mut seed = [0; 32];
    rng.fill(&mut seed);
    Secret::new(STANDARD.encode([ED25519.as_slice(), &seed].concat()))
}

impl Person {
    /// The Argon2id hash of the password.
    pub(crate) fn password_hash(&self) -> Result<String, argon2::password_hash::Error> {
        let hash = Argon2::default().hash_password(self.password.expose().as_bytes())?;
        Ok(hash.to_string())
    }
}
