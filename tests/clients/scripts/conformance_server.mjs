// The tools that the MCP conformance suite calls, on the TypeScript SDK of either era:
// conformance_server.mjs <elder|newer> <port>. It prints `ready`. Nobody has to sign in: it stands behind a gateway.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import {
  createMcpHandler,
  MissingRequiredClientCapabilityError,
  Server as NewServer,
} from "@modelcontextprotocol/server";
import { Server as OldServer } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const [era, port] = process.argv.slice(2);
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SILENCE = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
const EVERY_KEYWORD = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } },
    },
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" },
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
  then: { required: ["phone"] },
  else: { required: ["email"] },
  additionalProperties: false,
};

const text = (text) => ({ type: "text", text });
const image = { type: "image", data: PIXEL, mimeType: "image/png" };
const resource = (uri, mimeType, text) => ({ type: "resource", resource: { uri, mimeType, text } });
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

async function progress(notify, token) {
  for (const done of [0, 50, 100]) {
    if (token !== undefined)
      await notify({ method: "notifications/progress", params: { progressToken: token, progress: done, total: 100 } });
    await pause();
  }
  return { content: [text("done")] };
}

const tools = {
  test_simple_text: () => ({ content: [text("This is a simple text response for testing.")] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: "audio", data: SILENCE, mimeType: "audio/wav" }] }),
  test_embedded_resource: () => ({
    content: [resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")],
  }),
  test_multiple_content_types: () => ({
    content: [
      text("Multiple content types test:"),
      image,
      resource("test://mixed-content-resource", "application/json", JSON.stringify({ test: "data", value: 123 })),
    ],
  }),
  test_error_handling: () => ({
    isError: true,
    content: [text("This tool intentionally returns an error for testing")],
  }),
  test_tool_with_progress: progress,
  test_streaming_elicitation: progress,
  test_logging_tool: progress,
  json_schema_2020_12_tool: () => ({ content: [text("valid")] }),
  test_missing_capability: () => {
    // Nobody has declared to this server that it may sample.
    throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } });
  },
  test_custom_header: () => ({ content: [text("mirrored")] }),
};

const schemas = {
  json_schema_2020_12_tool: EVERY_KEYWORD,
  test_custom_header: { type: "object", properties: { region: { type: "string", "x-mcp-header": "Region" } } },
};

function list() {
  const one = (name) => ({
    name,
    description: `The suite's ${name}.`,
    inputSchema: schemas[name] ?? { type: "object" },
  });
  return { tools: Object.keys(tools).map(one) };
}

function elder() {
  const sessions = new Map();
  const make = () => {
    const server = new OldServer({ name: "conformance", version: "1.0.0" }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, list);
    server.setRequestHandler(CallToolRequestSchema, ({ params }, { sendNotification }) =>
      tools[params.name](sendNotification, params._meta?.progressToken),
    );
    return server;
  };
  return async (request, response, body) => {
    const id = request.headers["mcp-session-id"];
    let transport = sessions.get(id);
    if (!transport && !id && body?.method === "initialize") {
      const opened = (id) => sessions.set(id, transport);
      transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: opened });
      await make().connect(transport);
    }
    if (transport) return transport.handleRequest(request, response, body);
    response.writeHead(id ? 404 : 400, { "content-type": "application/json" });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: null, error: { code: -32000, message: "no session" } }));
  };
}

function newer() {
  const make = () => {
    const server = new NewServer({ name: "conformance", version: "2.0.0" }, { capabilities: { tools: {} } });
    server.setRequestHandler("tools/list", list);
    server.setRequestHandler("tools/call", ({ params }, { mcpReq }) =>
      tools[params.name](mcpReq.notify, mcpReq._meta?.progressToken),
    );
    return server;
  };
  const handler = createMcpHandler(make, { legacy: "reject" });
  return async (request, response, body) => {
    const asked = new Request(new URL(request.url, `http://127.0.0.1:${port}`), {
      method: request.method,
      headers: Object.entries(request.headers).filter(([, value]) => typeof value === "string"),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await handler.fetch(asked, { parsedBody: body });
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (answer.body) Readable.fromWeb(answer.body).pipe(response);
    else response.end();
  };
}

const serve = { elder, newer }[era]();
const server = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  await serve(request, response, text ? JSON.parse(text) : undefined);
});
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
