//! Remembered consents.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse_identity::audience::Audience;
use gatehouse_identity::id::{ClientId, SubjectId};
use gatehouse_identity::scope::ScopeSet;

use super::{Finding, Scene, equal};
use crate::consent::Consent;

const LIFETIME: Duration = Duration::from_hours(24 * 90);

pub(super) fn consent(user: &str) -> Result<Consent, Finding> {
    Ok(Consent {
        user: SubjectId::new(user),
        client: ClientId::new("https://claude.ai/oauth/claude-code-client-metadata"),
        document: None,
        redirect_host: "claude.ai".to_owned(),
        scopes: scopes("openid ledger:read")?,
        resources: BTreeSet::from([Audience::new("https://gateway.example/mcp")]),
    })
}

pub(super) async fn answer_for_equal_ones_only(scene: &Scene<'_>) -> Result<(), Finding> {
    let consents = scene.store.consents();
    let Scene { now, .. } = *scene;
    let given = consent("ada")?;
    equal("before", &consents.is_remembered(&given, now).await?, &false)?;
    consents.remember(&given, now, scene.later(LIFETIME)).await?;
    equal("after", &scene.other_node.consents().is_remembered(&given, now).await?, &true)?;
    for other in different_ones(&given)? {
        let remembered = consents.is_remembered(&other, now).await?;
        equal(&format!("a consent that was never given: {other:?}"), &remembered, &false)?;
    }
    let too_late = scene.later(LIFETIME);
    equal("an expired consent", &consents.is_remembered(&given, too_late).await?, &false)?;
    consents.remember(&given, too_late, too_late.plus(LIFETIME)).await?;
    equal("a consent given again", &consents.is_remembered(&given, too_late).await?, &true)?;
    equal("all of the user", &consents.all_of(&given.user, too_late).await?, &vec![given.clone()])?;
    equal("forgetting another client", &consents.forget(&given.user, &ClientId::new("other")).await?, &0)?;
    equal("forgetting", &consents.forget(&given.user, &given.client).await?, &1)?;
    equal("a forgotten consent", &consents.is_remembered(&given, now).await?, &false)?;
    equal("all of the user", &consents.all_of(&given.user, now).await?, &Vec::new())
}

/// Each differs from `given` in one field, by less or by more.
fn different_ones(given: &Consent) -> Result<Vec<Consent>, Finding> {
    let base = || given.clone();
    let second = Audience::new("https://gateway.example/mcp/ledger");
    Ok(vec![
        Consent { user: SubjectId::new("Ada"), ..base() },
        Consent { client: ClientId::new("other"), ..base() },
        Consent { document: Some("fingerprint".to_owned()), ..base() },
        Consent { redirect_host: "claude.com".to_owned(), ..base() },
        Consent { scopes: scopes("openid")?, ..base() },
        Consent { scopes: scopes("openid ledger:read ledger:write")?, ..base() },
        Consent { resources: BTreeSet::new(), ..base() },
        Consent { resources: given.resources.iter().cloned().chain([second]).collect(), ..base() },
    ])
}

fn scopes(text: &str) -> Result<ScopeSet, Finding> {
    ScopeSet::parse(text).map_err(|error| Finding(error.to_string()))
}
