//! The chapter about the audit trail, and about what must have leaked nowhere.

use gatehouse_identity::secret::Secret;

use super::Guests;
use super::models::PROMPT;
use super::story::{Broken, Mismatch, Story, expect};
use super::trail::{Expected, Trail};
use crate::demo::stack::Stack;

/// What the trail must tell of this check.
const EXPECTED: [Expected<'static>; 13] = [
    &[("/event", "signin.failure"), ("/outcome", "deny")],
    &[("/event", "signin.success"), ("/actor/sub", "ada")],
    &[("/event", "signin.success"), ("/actor/sub", "bob")],
    &[("/event", "consent.granted"), ("/actor/sub", "ada"), ("/actor/client_id", "claude-public")],
    &[("/event", "token.issue"), ("/actor/sub", "ada"), ("/actor/client_id", "claude-public")],
    &[("/event", "token.issue"), ("/actor/sub", "bob"), ("/actor/client_id", "claude-confidential")],
    &[("/event", "tool.list"), ("/actor/sub", "ada")],
    &[("/event", "tool.list"), ("/actor/sub", "bob")],
    &[
        ("/event", "tool.call"),
        ("/outcome", "allow"),
        ("/actor/sub", "ada"),
        ("/target/tool", "directory_getEmployee"),
    ],
    &[
        ("/event", "tool.call"),
        ("/outcome", "allow"),
        ("/actor/sub", "ada"),
        ("/target/tool", "ledger_getCustomerPII"),
        ("/policy/name", "ledger-calls"),
    ],
    &[
        ("/event", "tool.call"),
        ("/outcome", "deny"),
        ("/actor/sub", "bob"),
        ("/target/tool", "ledger_getCustomerPII"),
        ("/policy/name", "ledger-calls"),
    ],
    &[
        ("/event", "model.call"),
        ("/outcome", "allow"),
        ("/actor/sub", "ada"),
        ("/actor/client_id", "claude-public"),
        ("/target/model", "claude-opus-5-5"),
    ],
    &[("/event", "model.call"), ("/outcome", "allow"), ("/actor/sub", "build-bot")],
];

/// The delegated token of the proxied call: who acts, in its record.
const DELEGATED: Expected<'static> = &[
    ("/actor/sub", "ada"),
    ("/exchange/actors/0", "mcp-gateway"),
    ("/exchange/actors/1", "claude-public"),
    ("/exchange/scope", "ledger:ReadPII"),
];

/// Reads, verifies and searches the trail.
pub(super) async fn examine(story: &mut Story<'_>, world: &Stack, guests: &Guests) -> Result<(), Broken> {
    let expected: Vec<Expected<'_>> = EXPECTED.iter().copied().chain([DELEGATED]).collect();
    let trail = Trail::read(&world.audit_log(), &expected).await;
    let trail =
        story.step("every act above is in the audit log, with user, client, tool and policy", trail)?;
    for line in trail.lines() {
        story.detail(&line);
    }
    let summary = story.step("its hash chain is unbroken", trail.verify())?;
    story.detail(&format!("{} records", summary.records));
    let quiet = quiet(&trail, world, guests);
    story.step("it holds no prompt, argument, result, token or password", quiet)?;
    let leaks = world.seen.leaks();
    let none = expect(leaks == 0, "0 requests with a credential of ours", format!("{leaks}"));
    story.step("no upstream ever received a password, key or token that clients hold", none)
}

fn quiet(trail: &Trail, world: &Stack, guests: &Guests) -> Result<(), Mismatch> {
    let cast = &world.cast;
    let secrets: [&Secret; 7] = [
        &guests.ada.token,
        &guests.bob.token,
        &cast.ada.password,
        &cast.bob.password,
        &cast.confidential_secret,
        &cast.provider_key,
        &cast.api_key,
    ];
    let leaked = secrets.iter().any(|secret| trail.holds(secret.expose()));
    expect(!leaked, "no credential", "one")?;
    for content in [PROMPT, "violet umbrella", "900-12-3456", "Hopper Industries", "ACC-1001"] {
        expect(!trail.holds(content), "no content", format!("“{content}”"))?;
    }
    Ok(())
}
