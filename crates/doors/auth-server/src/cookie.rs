//! Cookies: `__Host-` on https origins, plain names on http loopback ones.

use http::header::HeaderValue;

use gatehouse_config::snapshot::authorization_server::AuthorizationServer;
use gatehouse_edge::context::{Head, List};
use gatehouse_edge::rejection::Rejection;

/// How cookies of one origin look.
#[derive(Clone, Copy)]
pub(crate) struct Cookies {
    secure: bool,
}

impl Cookies {
    /// The cookies of the issuer's origin.
    pub(crate) fn of(server: &AuthorizationServer) -> Self {
        Self { secure: server.issuer.as_str().starts_with("https://") }
    }

    /// The value of a cookie; two cookies of one name are none, because one of them is somebody else's.
    pub(crate) fn read<'a>(self, head: &'a Head, name: &str) -> Option<&'a str> {
        let full = self.full_name(name);
        let mut values = pairs(head).filter(|(name, _)| *name == full).map(|(_, value)| value);
        let value = values.next()?;
        values.all(|other| other == value).then_some(value)
    }

    /// The bare names of all cookies that begin with `prefix`.
    pub(crate) fn names<'a>(self, head: &'a Head, prefix: &str) -> Vec<&'a str> {
        let host = if self.secure { "__Host-" } else { "" };
        let bare = pairs(head).filter_map(|(name, _)| name.strip_prefix(host));
        bare.filter(|name| name.starts_with(prefix)).collect()
    }

    /// `Set-Cookie` for a cookie that lives `seconds`; 0 removes it.
    pub(crate) fn set(self, name: &str, value: &str, seconds: u64) -> Result<HeaderValue, Rejection> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}",
            self.full_name(name)
        );
        HeaderValue::from_str(&text)
            .map_err(|error| Rejection::internal("cookie_unusable", error.to_string()))
    }

    fn full_name(self, name: &str) -> String {
        if self.secure { format!("__Host-{name}") } else { name.to_owned() }
    }
}

fn pairs(head: &Head) -> impl Iterator<Item = (&str, &str)> {
    head.list(List::Cookie)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}
