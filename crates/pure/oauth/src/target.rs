//! Targets: from the `resource` and `audience` parameters of a request to the audiences of its tokens
//! (RFC 8707 §2, RFC 8693 §2.1).

use gatehouse_identity::audience::{Audience, ResourceUri};

use crate::client::Client;
use crate::error::{ErrorCode, OAuthError};
use crate::form::Form;

/// The targets that one request names, in order; possibly none.
#[derive(Clone, Debug)]
pub struct RequestedTargets(Vec<RequestedTarget>);

#[derive(Clone, Debug)]
enum RequestedTarget {
    Resource(ResourceUri),
    Audience(String),
}

/// Reads every `resource` and `audience` of a request.
pub fn requested(form: &Form) -> Result<RequestedTargets, OAuthError> {
    let resources = form.all("resource").map(|text| {
        ResourceUri::parse(text)
            .map(RequestedTarget::Resource)
            .map_err(|error| invalid_target(error.to_string()))
    });
    let audiences = form.all("audience").map(|text| Ok(RequestedTarget::Audience(text.to_owned())));
    resources.chain(audiences).collect::<Result<_, _>>().map(RequestedTargets)
}

impl RequestedTargets {
    /// Whether the request names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The targets as the client wrote them, for policies.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(RequestedTarget::as_written)
    }

    /// The audiences of a request by `client`, given the resources that this server itself protects.
    ///
    /// Without any target it is the client's default audience, else the one own resource, else the one allowed
    /// audience; never silently the issuer.
    pub fn resolve(&self, client: &Client, own: &[Audience]) -> Result<Vec<Audience>, OAuthError> {
        let allowed: Vec<&Audience> = match client.allowed_audiences.as_slice() {
            [] => own.iter().chain(&client.default_audience).collect(),
            listed => listed.iter().chain(&client.default_audience).collect(),
        };
        if !self.is_empty() {
            return self.among(&allowed);
        }
        let sole_own = match own {
            [one] if allowed.contains(&one) => Some(one),
            _ => None,
        };
        let sole_allowed = match client.allowed_audiences.as_slice() {
            [one] => Some(one),
            _ => None,
        };
        let default = client.default_audience.as_ref().or(sole_own).or(sole_allowed);
        default.map(|audience| vec![audience.clone()]).ok_or_else(|| {
            invalid_target("name a resource: this client has no default audience".to_owned()).because(
                format!("no resource was named, and there is no default audience; {}", possible(&allowed)),
            )
        })
    }

    /// The audiences of a later request on a grant for `authorized`: a part of them, or all.
    pub fn within(&self, authorized: &[Audience]) -> Result<Vec<Audience>, OAuthError> {
        if self.is_empty() {
            return Ok(authorized.to_vec());
        }
        self.among(&authorized.iter().collect::<Vec<_>>())
    }

    fn among(&self, allowed: &[&Audience]) -> Result<Vec<Audience>, OAuthError> {
        let mut found: Vec<Audience> = Vec::new();
        for target in &self.0 {
            let audience = allowed.iter().find(|audience| target.names(audience)).ok_or_else(|| {
                let asked = target.as_written();
                invalid_target(format!("{asked} is not a target that this client may use"))
                    .because(format!("asked for `{asked}`; {}", possible(allowed)))
            })?;
            if !found.contains(audience) {
                found.push((*audience).clone());
            }
        }
        Ok(found)
    }
}

impl RequestedTarget {
    fn names(&self, audience: &Audience) -> bool {
        match self {
            Self::Resource(resource) => resource.matches(audience),
            Self::Audience(text) => text == audience.as_str(),
        }
    }

    fn as_written(&self) -> &str {
        match self {
            Self::Resource(resource) => resource.as_written(),
            Self::Audience(text) => text,
        }
    }
}

/// What could have been asked for, for operators.
fn possible(allowed: &[&Audience]) -> String {
    if allowed.is_empty() {
        return "possible: nothing, as neither the client nor this server has an audience".to_owned();
    }
    let mut names: Vec<&str> = Vec::with_capacity(allowed.len());
    for audience in allowed {
        if !names.contains(&audience.as_str()) {
            names.push(audience.as_str());
        }
    }
    format!("possible: {}", names.join(", "))
}

fn invalid_target(description: String) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidTarget, description)
}

#[cfg(test)]
mod tests;
