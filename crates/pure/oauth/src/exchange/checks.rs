//! The checks of an exchange, one function each, in the order in which they run (`exchange` lists them).

use std::time::Duration;

use gatehouse_identity::assurance::Assurance;
use gatehouse_identity::clock::Timestamp;
use gatehouse_identity::delegation::{Actor, DelegationChain, MAX_DEPTH};
use gatehouse_identity::jose::verify::{VerifiedToken, VerifiedType};
use gatehouse_identity::scope::ScopeSet;
use serde_json::{Map, Value};

use crate::client::{AuthenticatedClient, Client, ClientKind, GrantType};
use crate::exchange::request::DeclaredType;
use crate::exchange::{
    ExchangeError, ExchangeFacts, ExchangeMode, ExchangeRequest, ExchangeRules, ScopeMode, Standing,
    SubjectAudience,
};

/// 1, 2: the client proved who it is and may use the grant.
pub(super) fn requester<'a>(client: &AuthenticatedClient<'a>) -> Result<&'a ExchangeRules, ExchangeError> {
    if client.client().kind == ClientKind::Public {
        return Err(ExchangeError::PublicClient);
    }
    let rules = client.client().exchange.as_ref();
    rules.filter(|_| client.client().may_use(GrantType::TokenExchange)).ok_or(ExchangeError::NotRegistered)
}

/// 3: what was presented is what was declared. (Signature, issuer and times are proven by the type.)
pub(super) fn declared_type(token: &VerifiedToken, declared: DeclaredType) -> Result<(), ExchangeError> {
    let expected = match declared {
        DeclaredType::AccessToken | DeclaredType::Jwt => VerifiedType::AccessToken,
        DeclaredType::IdToken => VerifiedType::IdToken,
    };
    if token.token_type() == expected { Ok(()) } else { Err(ExchangeError::TypeMismatch) }
}

/// 3: the token is alive for long enough to be of use.
pub(super) fn unexpired(token: &VerifiedToken, now: Timestamp) -> Result<Duration, ExchangeError> {
    let remaining = token.expires_at().since(now);
    if remaining < Duration::from_secs(1) { Err(ExchangeError::Expired) } else { Ok(remaining) }
}

/// 3: only our own tokens carry subjects of ours.
pub(super) fn issued_here(facts: &ExchangeFacts<'_>) -> Result<(), ExchangeError> {
    if facts.subject.issuer() == facts.issuer { Ok(()) } else { Err(ExchangeError::ForeignIssuer) }
}

/// 3: the token was meant for the requester, or was issued to it.
pub(super) fn meant_for_requester(
    facts: &ExchangeFacts<'_>,
    rules: &ExchangeRules,
) -> Result<(), ExchangeError> {
    let claims = facts.subject.claims();
    let its_own = token_client(claims) == Some(facts.requester.id().as_str());
    let any =
        rules.subjects == SubjectAudience::Any && facts.subject.token_type() == VerifiedType::AccessToken;
    let taken = its_own || any || facts.requester.client().answers_for(claims);
    if taken { Ok(()) } else { Err(ExchangeError::NotForRequester) }
}

/// 4: nothing behind the subject token was switched off since it was issued.
pub(super) fn in_good_standing(facts: &ExchangeFacts<'_>) -> Result<(), ExchangeError> {
    match facts.standing {
        Standing::Good => Ok(()),
        Standing::Revoked
        | Standing::UserDisabled
        | Standing::ClientDisabled
        | Standing::ConnectorDisabled => Err(ExchangeError::Standing(facts.standing)),
    }
}

/// 5: an actor token must speak for the requester itself, so that nobody pairs a strong subject with a
/// stranger.
pub(super) fn actor_is_requester(
    facts: &ExchangeFacts<'_>,
    request: &ExchangeRequest,
) -> Result<(), ExchangeError> {
    let (actor, declared) = match (facts.actor, &request.actor_token) {
        (None, None) => return Ok(()),
        (Some(actor), Some((_, declared))) => (actor, *declared),
        _ => return Err(ExchangeError::ActorUnverified),
    };
    declared_type(actor, declared)?;
    unexpired(actor, facts.now)?;
    let requester = facts.requester.id().as_str();
    let speaks_for_itself = text(actor.claims(), "sub") == Some(requester);
    let issued_to_it = token_client(actor.claims()).is_none_or(|client| client == requester);
    let direct = !actor.claims().contains_key("act");
    let ours = actor.issuer() == facts.issuer;
    if speaks_for_itself && issued_to_it && direct && ours {
        Ok(())
    } else {
        Err(ExchangeError::ForeignActor)
    }
}

/// 6: `may_act` of the subject token, when present, names the requester with every member that it has
/// (RFC 8693 §4.4); a member that we do not know cannot be met.
pub(super) fn may_act(facts: &ExchangeFacts<'_>) -> Result<(), ExchangeError> {
    let Some(may_act) = facts.subject.claims().get("may_act") else { return Ok(()) };
    let requester = facts.requester.id().as_str();
    let members = may_act.as_object().filter(|members| !members.is_empty()).ok_or(ExchangeError::MayAct)?;
    let met = members.iter().all(|(name, value)| match name.as_str() {
        "sub" | "client_id" => value.as_str() == Some(requester),
        "iss" => value.as_str() == Some(facts.issuer.as_str()),
        _ => false,
    });
    if met && (members.contains_key("sub") || members.contains_key("client_id")) {
        Ok(())
    } else {
        Err(ExchangeError::MayAct)
    }
}

/// 8: the scopes of the result.
pub(super) fn scopes(
    subject: &VerifiedToken,
    requested: Option<&ScopeSet>,
    client: &Client,
    mode: &ScopeMode,
) -> Result<ScopeSet, ExchangeError> {
    let held = text(subject.claims(), "scope").map(ScopeSet::parse).transpose();
    let held = held.map_err(|_| ExchangeError::SubjectMalformed("scope"))?.unwrap_or(ScopeSet::none());
    let reachable = match mode {
        ScopeMode::Subset => held.intersection(&client.scopes),
        ScopeMode::Mapped(map) => {
            let mapped = held.iter().filter_map(|scope| map.get(scope)).flatten();
            let mapped = mapped.cloned().collect::<Vec<_>>().join(" ");
            ScopeSet::parse(&mapped).map_err(|_| ExchangeError::ScopeMap)?.intersection(&client.scopes)
        }
        ScopeMode::Explicit => match requested {
            Some(_) => client.scopes.clone(),
            None => held.intersection(&client.scopes),
        },
    };
    // Whoever asks for nothing in particular gets what may concern the target.
    let Some(requested) = requested else { return Ok(reachable.without_sign_in()) };
    let beyond = requested.difference(&reachable);
    if beyond.is_empty() { Ok(requested.clone()) } else { Err(ExchangeError::Scope { beyond, reachable }) }
}

/// 9: the chain of the result: the requester, then the client that called it, then whoever came before.
///
/// A client is named once, and a program that is itself the subject is not its own actor.
pub(super) fn chain(
    facts: &ExchangeFacts<'_>,
    rules: &ExchangeRules,
) -> Result<(DelegationChain, Option<Assurance>), ExchangeError> {
    let claims = facts.subject.claims();
    let before = DelegationChain::from_claims(claims)?;
    if rules.mode == ExchangeMode::Impersonation {
        // Who acted before stays visible: impersonation hides the requester only.
        return Ok((before.clone(), carried_assurance(claims).filter(|_| !before.actors().is_empty())));
    }
    let mut chain = before;
    let caller = token_client(claims).filter(|client| text(claims, "sub") != Some(client));
    for name in caller.into_iter().chain([facts.requester.id().as_str()]) {
        if chain.actors().first().map(|actor| actor.subject.as_str()) != Some(name) {
            chain = chain.extended(Actor { subject: name.to_owned(), issuer: None })?;
        }
    }
    if chain.actors().len() > rules.max_depth.min(MAX_DEPTH) {
        return Err(ExchangeError::TooDeep(rules.max_depth.min(MAX_DEPTH)));
    }
    // A chain is as sure as its least proven link.
    let links = [
        carried_assurance(claims),
        caller.map(|_| facts.subject_client.map_or(Assurance::SelfAsserted, Client::issued_assurance)),
    ];
    let weakest = links.into_iter().flatten().fold(facts.requester.assurance(), Assurance::min);
    Ok((chain, Some(weakest)))
}

/// 11: never longer than the subject token, the client, the rules or the request.
pub(super) fn lifetime(
    remaining: Duration,
    requested: Option<Duration>,
    client: &Client,
    rules: &ExchangeRules,
) -> Duration {
    let limit = remaining.min(client.access_token.lifetime).min(rules.max_lifetime);
    Duration::from_secs(requested.map_or(limit, |wanted| wanted.min(limit)).as_secs())
}

/// The client that a token was issued to.
pub(super) fn token_client(claims: &Map<String, Value>) -> Option<&str> {
    text(claims, "client_id").or_else(|| text(claims, "azp"))
}

pub(super) fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

/// `act_assurance` of a token that is itself the result of an exchange.
fn carried_assurance(claims: &Map<String, Value>) -> Option<Assurance> {
    let value = claims.get("act_assurance")?;
    Some(serde_json::from_value(value.clone()).unwrap_or(Assurance::SelfAsserted))
}
