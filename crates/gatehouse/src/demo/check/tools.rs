//! The chapters about tools: what is listed, what works, what is refused.

use serde_json::{Value, json};
use url::Url;

use super::Guests;
use super::mcp::McpClient;
use super::story::{Broken, Mismatch, Story, expect};
use crate::demo::configuration::GATEWAY_CLIENT;
use crate::demo::stack::Stack;

/// Lists for both; Ada's client speaks 2026-07-28, Bob's 2025-11-25.
pub(super) async fn lists(story: &mut Story<'_>, endpoint: &Url, guests: &Guests) -> Result<(), Broken> {
    let ada = McpClient::modern(endpoint, &guests.ada).list().await;
    let ada = story.step("ada lists the tools of both apps (MCP 2026-07-28)", ada)?;
    let bob = list_of_bob(endpoint, guests).await;
    let bob = story.step("bob lists his (MCP 2025-11-25, with its handshake)", bob)?;
    let hidden: Vec<&str> = ada.iter().filter(|tool| !bob.contains(tool)).map(String::as_str).collect();
    let expected = ["createEmployee", "deleteEmployee", "getAuditLog", "updateEmployee"];
    let right = hidden.len() == expected.len()
        && expected.iter().all(|name| hidden.iter().any(|tool| tool.ends_with(name)))
        && bob.iter().all(|tool| ada.contains(tool));
    let outcome = expect(
        right,
        format!("everything of Ada's list except {}", expected.join(", ")),
        format!("ada: {} / bob: {}", ada.join(" "), bob.join(" ")),
    );
    story.step(
        &format!("ada sees {} tools, bob {}: what he may not use is not there", ada.len(), bob.len()),
        outcome,
    )?;
    story.detail(&format!("only ada: {}", hidden.join(", ")));
    Ok(())
}

async fn list_of_bob(endpoint: &Url, guests: &Guests) -> Result<Vec<String>, Mismatch> {
    McpClient::legacy(endpoint, &guests.bob).await?.list().await
}

/// A bridged call and a proxied one.
pub(super) async fn ada_works(
    story: &mut Story<'_>,
    world: &Stack,
    endpoint: &Url,
    guests: &Guests,
) -> Result<(), Broken> {
    let mut client = McpClient::modern(endpoint, &guests.ada);
    let bridged = bridged(&mut client).await;
    story.step("a bridged call: directory_getEmployee becomes GET /employees/E102", bridged)?;
    let token = upstream_token(world, "GET /employees/E102", guests);
    let token =
        story.step("the directory saw a token of its own for ada, with the chain of who acts", token)?;
    tell_upstream_token(story, &token);
    let proxied = proxied(&mut client).await;
    story.step("a proxied call: ledger_getCustomerPII", proxied)?;
    let token = upstream_token(world, "getCustomerPII", guests).and_then(|token| {
        let scope = token.get("scope").and_then(Value::as_str).unwrap_or_default();
        expect(scope == "ledger:ReadPII", "scope ledger:ReadPII and no other", &token)?;
        Ok(token)
    });
    let token = story.step("the ledger saw the same, with the scope of this one tool", token)?;
    tell_upstream_token(story, &token);
    Ok(())
}

async fn bridged(client: &mut McpClient<'_>) -> Result<(), Mismatch> {
    let text = client.call("directory_getEmployee", json!({ "employeeId": "E102" })).await?.text()?;
    expect(text.contains("Linus Moreau"), "the employee Linus Moreau", text)
}

async fn proxied(client: &mut McpClient<'_>) -> Result<(), Mismatch> {
    let text = client.call("ledger_getCustomerPII", json!({ "customerId": "C-1" })).await?.text()?;
    expect(text.contains("Hopper Industries"), "the customer Hopper Industries", text)
}

/// The claims that an upstream saw: the user, and both who act for her.
fn upstream_token(world: &Stack, operation: &str, guests: &Guests) -> Result<Value, Mismatch> {
    let seen = world.seen.latest(operation);
    let claims = seen.ok_or_else(|| Mismatch::new(format!("a call of {operation} upstream"), "none"))?.claims;
    let says = |pointer: &str| claims.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let chain = says("/sub") == "ada"
        && says("/act/sub") == GATEWAY_CLIENT
        && says("/act/act/sub") == guests.ada.client_id
        && claims.pointer("/act/act/act").is_none();
    let expected = format!("sub ada, act {GATEWAY_CLIENT} for {}", guests.ada.client_id);
    expect(chain, expected, &claims)?;
    expect(claims.get("jti") != guests.ada.claims.get("jti"), "another token than the client's", &claims)?;
    Ok(claims)
}

fn tell_upstream_token(story: &mut Story<'_>, claims: &Value) {
    let claim = |name: &str| claims.get(name).map(ToString::to_string).unwrap_or_default();
    story.detail(&format!("sub {} aud {} scope {}", claim("sub"), claim("aud"), claim("scope")));
    story.detail(&format!("act {}", claim("act")));
}

/// A call that policy denies, and one of a tool that is hidden.
pub(super) async fn bob_is_stopped(
    story: &mut Story<'_>,
    world: &Stack,
    endpoint: &Url,
    guests: &Guests,
) -> Result<(), Broken> {
    let mut client = McpClient::modern(endpoint, &guests.bob);
    let works = works_for_bob(&mut client).await;
    story.step("bob may call what he sees: ledger_listAccounts", works)?;
    let denied = denied(&mut client).await;
    let told = story.step("his ledger_getCustomerPII is denied, and he is told why", denied)?;
    story.detail(&format!("“{told}”"));
    let hidden = hidden(&mut client).await;
    let told = story.step("a tool that is hidden from him cannot be called either", hidden)?;
    story.detail(&format!("“{told}”"));
    let untouched = untouched(world);
    story.step("the ledger saw nothing of either call", untouched)
}

async fn works_for_bob(client: &mut McpClient<'_>) -> Result<(), Mismatch> {
    let text = client.call("ledger_listAccounts", json!({})).await?.text()?;
    expect(text.contains("ACC-1001"), "account ACC-1001", text)
}

async fn denied(client: &mut McpClient<'_>) -> Result<String, Mismatch> {
    let told = client.call("ledger_getCustomerPII", json!({ "customerId": "C-1" })).await?.refusal()?;
    expect(
        told.contains("Customer data is open to the finance team only."),
        "the policy's external message",
        &told,
    )?;
    expect(!told.contains("not in the group"), "nothing of the policy's internal message", &told)?;
    Ok(told)
}

async fn hidden(client: &mut McpClient<'_>) -> Result<String, Mismatch> {
    let hidden = client.call("ledger_getAuditLog", json!({})).await?.refusal()?;
    let absent = client.call("ledger_getAuditLogs", json!({})).await?.refusal()?;
    let same = hidden.replace("getAuditLog", "X") == absent.replace("getAuditLogs", "X");
    expect(same, format!("the answer to a tool that does not exist: {absent}"), &hidden)?;
    Ok(hidden)
}

fn untouched(world: &Stack) -> Result<(), Mismatch> {
    for tool in ["getCustomerPII", "getAuditLog"] {
        if let Some(seen) = world.seen.latest(tool) {
            expect(
                seen.claims.get("sub").and_then(Value::as_str) != Some("bob"),
                format!("no {tool} for bob"),
                seen.claims,
            )?;
        }
    }
    Ok(())
}
