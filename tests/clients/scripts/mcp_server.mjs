// An MCP server on the TypeScript SDK, of one era: `elder` is version 1 with sessions, `newer` is version 2 and knows
// 2026-07-28 only. Usage: mcp_server.mjs <era> <port>. The line `trust <issuer>` on standard input names whose tokens
// it takes. It prints `ready`, then every request with all its headers and its body as a JSON line.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { createMcpHandler, McpServer as NewServer } from "@modelcontextprotocol/server";
import { McpServer as OldServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as z from "zod";

const [era, port] = process.argv.slice(2);
const origin = `http://127.0.0.1:${port}`;
const audience = `${origin}/mcp`;
let issuer;
let keys;

async function verify(request) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  if (scheme !== "Bearer" || !keys) throw new Error("no bearer token");
  const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
  return { token, clientId: payload.client_id, scopes: (payload.scope ?? "").split(" "), extra: { claims: payload } };
}

// The tools, the same in both eras; `claims` are those of the token that came with the call.
function furnish(server, claimsOf) {
  const text = (value) => ({ content: [{ type: "text", text: JSON.stringify(value) }], structuredContent: value });
  server.registerTool(
    "whoami",
    { description: "The claims of the token.", inputSchema: z.object({}), annotations: { readOnlyHint: true } },
    async (_, context) => text(claimsOf(context)),
  );
  server.registerTool(
    "add",
    {
      description: "Adds.",
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
    },
    async ({ a, b }) => text({ sum: a + b }),
  );
  server.registerTool("secret", { description: "For administrators.", inputSchema: z.object({}) }, async () =>
    text({ open: true }),
  );
  server.registerTool("fail", { description: "Always fails.", inputSchema: z.object({}) }, async () => {
    throw new Error("the machine is broken");
  });
  server.registerTool("picture", { description: "An image and a link.", inputSchema: z.object({}) }, async () => ({
    content: [
      { type: "image", data: "AAEC", mimeType: "image/png", annotations: { audience: ["user"], priority: 0.5 } },
      { type: "resource_link", uri: "file:///a.txt", name: "a.txt", mimeType: "text/plain" },
    ],
    _meta: { "example.com/trace": "t-1" },
  }));
  return server;
}

function elder() {
  const sessions = new Map();
  const claims = (context) => context.authInfo.extra.claims;
  return async (request, response, authInfo, body) => {
    request.auth = authInfo;
    const id = request.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (!transport && !id && body?.method === "initialize") {
      const opened = (id) => sessions.set(id, transport);
      transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: opened });
      transport.onclose = () => sessions.delete(transport.sessionId);
      await furnish(new OldServer({ name: "elder", version: "1.0.0" }), claims).connect(transport);
    }
    if (transport) return transport.handleRequest(request, response, body);
    response.writeHead(id ? 404 : 400, { "content-type": "application/json" });
    const error = { code: id ? -32001 : -32000, message: id ? "Session not found" : "Bad Request: no session" };
    response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error }));
  };
}

function newer() {
  const claims = (context) => context.http.authInfo.extra.claims;
  const make = () => furnish(new NewServer({ name: "newer", version: "2.0.0" }), claims);
  const handler = createMcpHandler(make, { legacy: "reject" });
  return async (request, response, authInfo, body) => {
    const headers = Object.entries(request.headers).filter(([, value]) => typeof value === "string");
    const hasBody = !["GET", "HEAD"].includes(request.method) && body !== undefined;
    const asked = new Request(new URL(request.url, origin), {
      method: request.method,
      headers,
      body: hasBody ? JSON.stringify(body) : undefined,
    });
    const answer = await handler.fetch(asked, { authInfo, parsedBody: body });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) Readable.fromWeb(answer.body).pipe(response);
    else response.end();
  };
}

const serve = { elder, newer }[era]();
const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  console.log(JSON.stringify({ method: request.method, url: request.url, headers: request.rawHeaders, body: text }));
  try {
    const authInfo = await verify(request);
    await serve(request, response, authInfo, text ? JSON.parse(text) : undefined);
  } catch (error) {
    if (response.headersSent) return response.destroy();
    response.writeHead(401, { "www-authenticate": 'Bearer error="invalid_token"', "content-type": "application/json" });
    response.end(JSON.stringify({ error: "invalid_token", why: String(error) }));
  }
});
createInterface({ input: process.stdin }).on("line", (line) => {
  issuer = line.replace(/^trust /, "");
  keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
});
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
