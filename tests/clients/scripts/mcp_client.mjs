// A client on the TypeScript SDKs: mcp_client.mjs <v1|v2> <legacy|auto|version> <url> <JSON settings>. Settings either
// hold a `token`, or an OAuth `client` (its id, or the URL of its metadata document as `client_metadata_url`) with
// which the SDK signs in by itself: the script then prints {"visit": url} and reads the callback URL from standard
// input. `steps` are [method, argument] pairs; the answers come as one JSON line {"answers": [...]}, failures of a
// step as {"failed": ...} in its place. With a `page`, an origin, all requests are those of a page in a browser.
import { once } from "node:events";
import { createInterface } from "node:readline";
import { pageOf } from "./page.mjs";

const [sdk, era, address, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const url = new URL(address);
if (settings.page) globalThis.fetch = pageOf(settings.page);
const lines = createInterface({ input: process.stdin });

const library = sdk === "v2" ? await import("@modelcontextprotocol/client") : await elder();

async function elder() {
  const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
  const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
  const { UnauthorizedError } = await import("@modelcontextprotocol/sdk/client/auth.js");
  return { Client, StreamableHTTPClientTransport, UnauthorizedError };
}

const store = {};
const provider = {
  redirectUrl: settings.redirect,
  clientMetadataUrl: settings.client_metadata_url,
  clientMetadata: {
    client_name: "TypeScript SDK",
    redirect_uris: [settings.redirect],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: settings.client?.client_secret ? "client_secret_basic" : "none",
    scope: settings.scope,
  },
  state: () => (store.state = Math.random().toString(36).slice(2)),
  clientInformation: () => store.client ?? settings.client,
  saveClientInformation: (client) => (store.client = client),
  tokens: () => store.tokens,
  saveTokens: (tokens) => (store.tokens = tokens),
  redirectToAuthorization: (target) => console.log(JSON.stringify({ visit: target.href })),
  saveCodeVerifier: (verifier) => (store.verifier = verifier),
  codeVerifier: () => store.verifier,
  saveDiscoveryState: (state) => (store.discovery = state),
  discoveryState: () => store.discovery,
};

function transport() {
  const { token } = settings;
  const options = token
    ? { requestInit: { headers: { authorization: `Bearer ${token}` } } }
    : { authProvider: provider };
  return new library.StreamableHTTPClientTransport(url, options);
}

function open() {
  const mode = era === "legacy" || era === "auto" ? era : { pin: era };
  const options = sdk === "v2" ? { versionNegotiation: { mode } } : {};
  return new library.Client({ name: "typescript", version: "1.0.0" }, options);
}

async function connect() {
  let client = open();
  const first = transport();
  try {
    await client.connect(first);
    return [client, first];
  } catch (error) {
    if (!(error instanceof library.UnauthorizedError) || settings.token) throw error;
  }
  const [callback] = await once(lines, "line");
  const parameters = new URL(callback).searchParams;
  if (parameters.get("state") !== store.state) throw new Error("state differs");
  await first.finishAuth(sdk === "v2" ? parameters : parameters.get("code"));
  client = open();
  const second = transport();
  await client.connect(second);
  return [client, second];
}

const told = (error) => ({
  name: error.constructor.name,
  message: error.message,
  code: error.code,
  status: error.status,
});
try {
  const [client, used] = await connect();
  const answers = [];
  for (const [method, argument] of settings.steps) {
    if (method === "wait") await new Promise((resolve) => setTimeout(resolve, argument));
    else answers.push(await client[method](argument).catch((error) => ({ failed: told(error) })));
  }
  const server = client.getServerVersion();
  const version = used.protocolVersion ?? client.getNegotiatedProtocolVersion?.();
  if (used.sessionId) await used.terminateSession();
  await client.close();
  console.log(JSON.stringify({ answers, server, version, tokens: store.tokens }));
} catch (error) {
  console.log(JSON.stringify({ failed: told(error) }));
}
process.exit(0);
