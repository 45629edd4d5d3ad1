//! What is known about well-known clients.

use gatehouse_oauth::client::{GrantType, RotationProfile};

use crate::document::client::Preset;

/// The registration of a well-known client.
pub(crate) struct Registration {
    /// Its redirect URIs; for loopback ones any port is accepted of a public client.
    pub(crate) redirects: &'static [&'static str],
    pub(crate) grants: &'static [GrantType],
    pub(crate) rotation: RotationProfile,
}

/// Redirects of claude.ai and of the web connectors of Claude Desktop.
const WEB: &[&str] = &["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"];

const INTERACTIVE: &[GrantType] = &[GrantType::AuthorizationCode, GrantType::RefreshToken];

pub(crate) const fn registration(preset: Preset) -> Registration {
    match preset {
        Preset::ClaudeCode => Registration {
            redirects: &["http://localhost/callback", "http://127.0.0.1/callback"],
            grants: INTERACTIVE,
            rotation: RotationProfile::ClaudeNative,
        },
        Preset::ClaudeDesktop => Registration {
            redirects: &[
                "https://claude.ai/api/mcp/auth_callback",
                "https://claude.com/api/mcp/auth_callback",
                "http://127.0.0.1:53280/callback",
            ],
            grants: INTERACTIVE,
            rotation: RotationProfile::ClaudeNative,
        },
        Preset::ClaudeAi => {
            Registration { redirects: WEB, grants: INTERACTIVE, rotation: RotationProfile::ClaudeNative }
        }
        Preset::McpRemote => Registration {
            redirects: &["http://localhost:3334/oauth/callback", "http://127.0.0.1:3334/oauth/callback"],
            grants: INTERACTIVE,
            rotation: RotationProfile::ClaudeNative,
        },
    }
}
