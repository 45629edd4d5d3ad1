//! The whole world of a test: a gateway with every door, what stands behind it, and who may come in.

use std::path::{Path, PathBuf};

use gatehouse_identity::jose::algorithm::Algorithm;
use gatehouse_identity::jose::sign::SigningKey;
use gatehouse_identity::static_key::KeyHash;

use crate::authority::{Authority, random};
use crate::browser::{Application, Person};
use crate::documents::indented;
use crate::process::{Gateway, run};
use crate::sample;
use crate::upstream::Upstream;

/// The issuer of the gateway's own tokens, and its origin.
pub const ISSUER: &str = "https://gw.example.com";
/// The resource that MCP clients ask tokens for.
pub const RESOURCE: &str = "https://gw.example.com/mcp";
/// The audience of tokens that the partner issues for the LLM door.
pub const LLM_AUDIENCE: &str = "llm-at-gw";
/// Where the applications of the fixture wait for their codes.
pub const REDIRECT: &str = "http://localhost:29352/callback";

const TEMPLATE: &str = include_str!("../data/all-doors.yaml");

/// Everything that must stay where it is put.
pub struct Secrets {
    /// Ada's password.
    pub password: String,
    /// The secret of `claude-confidential`.
    pub client_secret: String,
    /// The secret with which the gateway exchanges tokens.
    pub exchange_secret: String,
    /// The secret of the gateway at the partner.
    pub partner_secret: String,
    /// A static key that opens the LLM door.
    pub api_key: String,
    /// Another one, of somebody else.
    pub other_key: String,
    /// The key of the account at the model provider.
    pub provider_key: String,
    /// The key that the wiki wants to see.
    pub wiki_key: String,
}

/// What the gateway reaches.
pub struct Peers {
    /// A REST API behind a token exchange.
    pub directory: Upstream,
    /// A REST API behind a key of its own.
    pub wiki: Upstream,
    /// An MCP server behind a token exchange.
    pub ledger: Upstream,
    /// An MCP server that wants nothing.
    pub open: Upstream,
    /// The model provider.
    pub provider: Upstream,
}

/// A gateway's surroundings; [`World::serve`] starts it.
pub struct World {
    /// The gateway's own signing key, in the hands of the test.
    pub own: Authority,
    /// An issuer that the LLM door trusts.
    pub partner: Authority,
    /// The partner's key server.
    pub partner_server: Upstream,
    /// What the gateway reaches.
    pub peers: Peers,
    /// What must not leak.
    pub secrets: Secrets,
    /// The text of the configuration.
    pub configuration: String,
    binary: PathBuf,
}

impl World {
    /// A world for `binary`, whose gateway believes the forwarding headers of `trusted` (a list in YAML).
    pub fn new(binary: &Path, trusted: &str) -> Self {
        let own = Authority::new(ISSUER);
        let mut partner = Authority::new("");
        let partner_server = partner.publish();
        let peers = Peers {
            directory: sample::directory(),
            wiki: sample::directory(),
            ledger: sample::mcp_server(),
            open: sample::mcp_server(),
            provider: sample::model_provider(),
        };
        let secret = |name: &str| format!("{name}.{}", random(24));
        let secrets = Secrets {
            password: secret("password"),
            client_secret: secret("client"),
            exchange_secret: secret("exchange"),
            partner_secret: secret("partner"),
            api_key: format!("gwk_{}", random(32)),
            other_key: format!("gwk_{}", random(32)),
            provider_key: secret("sk-ant-provider"),
            wiki_key: secret("wiki"),
        };
        let values = [
            ("trusted", trusted.to_owned()),
            ("password_hash", password_hash(binary, &secrets.password)),
            ("exchange_secret", secrets.exchange_secret.clone()),
            ("client_secret", secrets.client_secret.clone()),
            ("partner_secret", secrets.partner_secret.clone()),
            ("partner", partner.issuer.clone()),
            ("signing_key", indented(&own.private_pem(), 8).trim_end().to_owned()),
            ("id_token_key", indented(&rsa_pem(), 8).trim_end().to_owned()),
            ("api_key_hash", KeyHash::of(&secrets.api_key).to_string()),
            ("other_key_hash", KeyHash::of(&secrets.other_key).to_string()),
            ("provider_key", secrets.provider_key.clone()),
            ("wiki_key", secrets.wiki_key.clone()),
            ("directory", peers.directory.url()),
            ("wiki", peers.wiki.url()),
            ("ledger", peers.ledger.url()),
            ("open", peers.open.url()),
            ("provider", peers.provider.url()),
        ];
        let fill = |text: String, (name, value): &(&str, String)| text.replace(&format!("@{name}@"), value);
        let configuration = values.iter().fold(TEMPLATE.to_owned(), fill);
        Self { own, partner, partner_server, peers, secrets, configuration, binary: binary.to_owned() }
    }

    /// The files that the gateway reads, the configuration first.
    pub fn files(&self) -> [(&str, &str); 2] {
        [("gatehouse.yaml", &self.configuration), ("directory.json", sample::DIRECTORY_OPENAPI)]
    }

    /// Starts the gateway.
    pub fn serve(&self) -> Gateway {
        Gateway::serve(&self.binary, &self.files())
    }

    /// Ada.
    pub fn ada(&self) -> Person<'_> {
        Person { username: "ada", password: &self.secrets.password }
    }

    /// An application without secret.
    pub fn public_application(&self) -> Application<'_> {
        Application {
            client_id: "claude-public",
            secret: None,
            redirect_uri: REDIRECT,
            scope: "openid profile email offline_access",
            resource: Some(RESOURCE),
        }
    }

    /// An application with a secret.
    pub fn confidential_application(&self) -> Application<'_> {
        Application {
            client_id: "claude-confidential",
            secret: Some(&self.secrets.client_secret),
            ..self.public_application()
        }
    }

    /// Everything behind the gateway, by name.
    pub fn upstreams(&self) -> [(&'static str, &Upstream); 5] {
        let Peers { directory, wiki, ledger, open, provider } = &self.peers;
        [("directory", directory), ("wiki", wiki), ("ledger", ledger), ("open", open), ("provider", provider)]
    }
}

/// The hash of a password, from the binary itself.
pub fn password_hash(binary: &Path, password: &str) -> String {
    let here = tempfile::tempdir().unwrap();
    let ran = run(binary, here.path(), &["hash-password"], password);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out.trim().to_owned()
}

fn rsa_pem() -> String {
    SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_pem().unwrap().expose().to_owned()
}
