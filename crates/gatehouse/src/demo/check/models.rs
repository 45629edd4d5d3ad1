//! The chapter about models: a streamed message, a tool that the model asks for, a static key.

use serde_json::{Value, json};
use url::Url;

use super::Guests;
use super::http::join_url;
use super::mcp::McpClient;
use super::messages::{Credential, Streamed, create, stream};
use super::story::{Broken, Mismatch, Story, expect};
use crate::demo::stack::Stack;

const MODEL: &str = "claude-opus-5-5";
/// What Ada writes, and what must be nowhere in the audit log.
pub(super) const PROMPT: &str = "Good morning, what shall we do about the violet umbrella?";

/// Everything that goes through the LLM gateway.
pub(super) async fn talk(
    story: &mut Story<'_>,
    world: &Stack,
    endpoint: &Url,
    guests: &Guests,
) -> Result<(), Broken> {
    let messages =
        story.step("the Messages API is at the same origin", join_url(endpoint, "/v1/messages"))?;
    let token = Credential::Bearer(&guests.ada.token);
    let streamed = streamed(&messages, token).await;
    let streamed = story.step("ada's message is streamed", streamed)?;
    let Streamed { events, text, output_tokens } = streamed;
    story.detail(&format!("{events} events, {output_tokens} output tokens: “{text}”"));
    let looped = tool_loop(&messages, endpoint, guests).await;
    let answer = story.step(
        "the model asks for ledger_getAccount, ada's client calls it, the model reads the result",
        looped,
    )?;
    story.detail(&format!("“{answer}”"));
    let keyed = stream(&messages, Credential::ApiKey(&world.cast.api_key), MODEL, "Hello").await;
    story.step("build-bot's static key works as x-api-key", keyed)?;
    let refused = refused(&messages, guests).await;
    story.step("a token with one letter changed does not", refused)
}

async fn streamed(messages: &Url, credential: Credential<'_>) -> Result<Streamed, Mismatch> {
    let streamed = stream(messages, credential, MODEL, PROMPT).await?;
    expect(streamed.text.contains("Hello from the scripted model"), "the scripted greeting", &streamed.text)?;
    expect(streamed.output_tokens > 0, "output tokens", streamed.output_tokens)?;
    Ok(streamed)
}

async fn tool_loop(messages: &Url, endpoint: &Url, guests: &Guests) -> Result<String, Mismatch> {
    let tool = json!({ "name": "ledger_getAccount", "input_schema": { "type": "object" } });
    let asked = json!({ "role": "user", "content": "use ledger_getAccount {\"accountId\": \"ACC-1001\"}" });
    let body = |messages: Value| json!({ "model": MODEL, "max_tokens": 256, "tools": [&tool], "messages": messages });
    let token = Credential::Bearer(&guests.ada.token);
    let first = create(messages, token, &body(json!([asked]))).await?;
    let block = first.pointer("/content/0").unwrap_or(&Value::Null);
    let wants = block.get("type").and_then(Value::as_str) == Some("tool_use")
        && block.get("name").and_then(Value::as_str) == Some("ledger_getAccount");
    expect(wants, "tool_use of ledger_getAccount", &first)?;
    let input = block.get("input").cloned().unwrap_or_default();
    let result = McpClient::modern(endpoint, &guests.ada).call("ledger_getAccount", input).await?.text()?;
    let answered = json!([{ "type": "tool_result", "tool_use_id": block.get("id"), "content": result }]);
    let conversation = json!([
        asked,
        { "role": "assistant", "content": [block] },
        { "role": "user", "content": answered },
    ]);
    let second = create(messages, token, &body(conversation)).await?;
    let text = second.pointer("/content/0/text").and_then(Value::as_str).unwrap_or_default();
    expect(text.contains("ACC-1001"), "a reply that quotes account ACC-1001", &second)?;
    Ok(text.to_owned())
}

async fn refused(messages: &Url, guests: &Guests) -> Result<(), Mismatch> {
    let token = guests.ada.token.expose();
    let (head, last) = token.split_at(token.len().saturating_sub(8));
    let changed: String = last.chars().map(|letter| if letter == 'A' { 'B' } else { 'A' }).collect();
    let forged = gatehouse_identity::secret::Secret::new(format!("{head}{changed}"));
    let body =
        json!({ "model": MODEL, "max_tokens": 1, "messages": [{ "role": "user", "content": "Hello" }] });
    match create(messages, Credential::Bearer(&forged), &body).await {
        Ok(reply) => Err(Mismatch::new("status 401", reply)),
        Err(answer) => {
            let answer = answer.to_string();
            let envelope = answer.contains("401") && answer.contains("authentication_error");
            expect(envelope, "status 401 with authentication_error", answer)
        }
    }
}
