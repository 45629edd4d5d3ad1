//! Which issuer is behind a metadata URL.

use gatehouse_identity::id::Issuer;
use gatehouse_identity::issuer::ExpectedIssuer;
use url::Url;

use super::compiler::Compiler;
use super::origin::is_loopback;
use crate::document::connector::OidcConnector;
use crate::document::spot::Placed;

/// The hosts of Entra ID, in each of its clouds.
const ENTRA: [&str; 4] = [
    "login.microsoftonline.com",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "sts.windows.net",
];

/// The issuer that a metadata URL belongs to (RFC 8414 §3.1, OpenID Connect Discovery §4), unless it is written.
pub(crate) fn issuer_of(
    well_known: &Placed<Url>,
    written: Option<&Placed<String>>,
    compiler: &mut Compiler<'_>,
) -> Option<ExpectedIssuer> {
    check_tenant(well_known, compiler);
    if let Some(written) = written {
        check_written(written, compiler);
        return Some(ExpectedIssuer::Exactly(Issuer::new(written.value.clone())));
    }
    let Some(implied) = implied_issuer(well_known) else {
        compiler.report.error_with(
            &well_known.place,
            "expected a metadata URL that contains /.well-known/openid-configuration or /.well-known/oauth-authorization-server",
            "append the first of them to the issuer; for a document that lives elsewhere, write `issuer` too",
        );
        return None;
    };
    match compiler.issuer.clone().filter(|own| implied.accepts(own.as_str())) {
        Some(own) => Some(ExpectedIssuer::Exactly(own)),
        None => Some(implied),
    }
}

/// What a URL alone says of its issuer.
pub(crate) fn implied_issuer(url: &Url) -> Option<ExpectedIssuer> {
    const NAMES: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];
    let origin = super::origin::origin_of(url);
    NAMES.iter().find_map(|name| {
        let (before, after) = url.path().split_once(name)?;
        let path = match (before, after) {
            (path, "" | "/") => path,
            ("", path) if path.starts_with('/') => path,
            _ => return None,
        };
        Some(ExpectedIssuer::derived_from(&format!("{origin}{path}")))
    })
}

/// Whether a connector leads to the authorization server of this file.
pub(crate) fn is_own(connector: &OidcConnector, own: Option<&Issuer>) -> bool {
    let Some(own) = own else { return false };
    match &connector.issuer {
        Some(written) => written.value == own.as_str(),
        None => implied_issuer(&connector.well_known).is_some_and(|implied| implied.accepts(own.as_str())),
    }
}

/// Whether a host is one of Entra ID.
pub(crate) fn is_entra(host: Option<&str>) -> bool {
    host.is_some_and(|host| ENTRA.contains(&host))
}

/// RFC 8414 §2. It is compared byte for byte, so nothing is mended here.
fn check_written(written: &Placed<String>, compiler: &mut Compiler<'_>) {
    let is_web = |url: &Url| url.scheme() == "https" || is_loopback(url);
    let url = Url::parse(&written.value).ok().filter(is_web);
    let plain = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if !url.as_ref().is_some_and(plain) {
        let message =
            format!("expected an https URL without query and fragment, found the text `{}`", written.value);
        let hint = "write what the metadata document states as `issuer`, slash at the end and all";
        compiler.report.error_with(&written.place, message, hint);
    }
    if written.value.contains('|') {
        compiler.report.error(&written.place, "an issuer has no `|`: it stands between issuer and subject");
    }
}

/// The documents of these tenants state no issuer, as their tokens come from any tenant there is: whoever has a tenant
/// of their own could name anybody.
fn check_tenant(well_known: &Placed<Url>, compiler: &mut Compiler<'_>) {
    let tenant = well_known.path_segments().and_then(|mut segments| segments.next()).unwrap_or_default();
    if is_entra(well_known.host_str()) && matches!(tenant, "common" | "organizations") {
        let message = format!("`/{tenant}/` stands for every tenant there is, and has no issuer of its own");
        let hint = "write the id of your tenant in its place";
        compiler.report.error_with(&well_known.place, message, hint);
    }
}

#[cfg(test)]
mod tests;
