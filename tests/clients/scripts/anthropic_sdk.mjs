// Everything that the TypeScript SDK does at the LLM door: base URL, credential style and model as arguments, the
// credential in CREDENTIAL; the findings as one JSON object.
import Anthropic from "@anthropic-ai/sdk";

const [baseURL, style, model] = process.argv.slice(2);
const open = (credential) => new Anthropic({ baseURL, [style]: credential, maxRetries: 0, timeout: 20_000 });
const ask = { model, max_tokens: 64, messages: [{ role: "user", content: "hi" }] };

async function failure(call) {
  try {
    await call;
  } catch (error) {
    const { status, requestID } = error;
    return { name: error.constructor.name, status, type: error.error?.error?.type, requestID };
  }
  throw new Error("a call that must fail did not");
}

const client = open(process.env.CREDENTIAL);
const message = await client.messages.create(ask);
const stream = client.messages.stream(ask);
let streamed = "";
stream.on("text", (text) => (streamed += text));
await stream.finalMessage();
const models = [];
for await (const one of client.models.list()) models.push(one.id);

console.log(
  JSON.stringify({
    text: message.content[0].text,
    usage: message.usage,
    streamed,
    counted: (await client.messages.countTokens({ model, messages: ask.messages })).input_tokens,
    models,
    refused: await failure(open("gwk_nobody").messages.create(ask)),
    forbidden: await failure(client.messages.create({ ...ask, model: "claude-forbidden" })),
    unknown: await failure(client.messages.create({ ...ask, model: "claude-nonexistent" })),
  }),
);
