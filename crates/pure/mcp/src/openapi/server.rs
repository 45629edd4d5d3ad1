//! The server of an API: the base URL that every request stays under.

use serde_json::Value;
use url::Url;

use super::Problem;
use super::document::Document;

/// A base URL that requests must not be built on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BaseError {
    /// Relative, or no URL.
    #[error("expected an absolute http or https URL, found {0:?}")]
    NotAbsolute(String),
    /// Carries user information, a query or a fragment.
    #[error("the base URL {0:?} must not carry user information, a query or a fragment")]
    Decorated(String),
}

/// The configured base URL, else the first server of the document, which must then be absolute.
pub(super) fn resolve(document: &Document<'_>, configured: Option<&str>) -> Result<Url, Problem> {
    if let Some(configured) = configured {
        return parse(configured).map_err(|error| Problem::new("", format!("`baseURL`: {error}")));
    }
    let server = document.root().pointer("/servers/0");
    let Some(url) = server.and_then(|server| server.get("url")).and_then(Value::as_str) else {
        return Err(Problem::new("/servers", "the document names no server: set `openapi.baseURL`"));
    };
    if url.contains('{') {
        return Err(Problem::new(
            "/servers/0/url",
            "server variables are not supported: set `openapi.baseURL`",
        ));
    }
    parse(url).map_err(|error| Problem::new("/servers/0/url", format!("{error}; set `openapi.baseURL`")))
}

/// Checks a base URL; a trailing slash goes.
fn parse(text: &str) -> Result<Url, BaseError> {
    let not_absolute = || BaseError::NotAbsolute(text.to_owned());
    let mut url = Url::parse(text).map_err(|_| not_absolute())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(not_absolute());
    }
    let user = !url.username().is_empty() || url.password().is_some();
    if user || url.query().is_some() || url.fragment().is_some() {
        return Err(BaseError::Decorated(text.to_owned()));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}
