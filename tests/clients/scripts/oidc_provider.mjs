// A company's identity provider, as oidc-provider builds it. Its settings come as JSON in the first argument:
// {port, clients, resources: {<resource>: <scopes>}}. It prints `ready`, then one JSON line for each
// authorization request, token request and failure. The line `rotate` on standard input gives it a new signing key and
// takes the old one away.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider, { interactionPolicy } from "oidc-provider";

const settings = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${settings.port}`;
const people = {
  ada: { password: "ada's analytical engine", name: "Ada Lovelace", groups: ["eng", "admins"], department: "engines" },
  bob: { password: "bob's long password", name: "Bob Bobson", groups: ["sales"], department: "trade" },
};
const cookieKeys = [randomBytes(24).toString("hex")];

const say = (event, more) => console.log(JSON.stringify({ event, ...more }));

function signingKey() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: randomBytes(8).toString("hex") };
}

function account(_, id) {
  const person = people[id];
  if (!person) return undefined;
  const { name, groups, department } = person;
  const email = `${id}@company.example`;
  const claims = { sub: id, email, email_verified: true, name, preferred_username: id, groups, department };
  return { accountId: id, claims: async () => claims };
}

// Everybody in the company may use the company's applications: nobody is asked.
async function loadExistingGrant(context) {
  const { client, session, provider, params } = context.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope("openid profile email groups");
  grant.addOIDCClaims(["email", "email_verified", "groups", "name"]);
  for (const [resource, scopes] of Object.entries(settings.resources ?? {})) grant.addResourceScope(resource, scopes);
  await grant.save();
  return grant;
}

// Redirects to loopback need no question either.
const policy = interactionPolicy.base();
policy.get("consent").checks.remove("native_client_prompt");

const resourceIndicators = {
  enabled: Object.keys(settings.resources ?? {}).length > 0,
  defaultResource: () => undefined,
  useGrantedResource: () => true,
  getResourceServerInfo: (_, resource) => ({
    scope: settings.resources[resource],
    audience: resource,
    accessTokenTTL: 600,
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: "RS256" } },
  }),
};

function provider() {
  const made = new Provider(issuer, {
    clients: settings.clients,
    jwks: { keys: [signingKey()] },
    cookies: { keys: cookieKeys },
    findAccount: account,
    loadExistingGrant,
    extraTokenClaims: (_, token) => ({ groups: people[token.accountId]?.groups }),
    claims: {
      openid: ["sub"],
      profile: ["name", "preferred_username", "department"],
      email: ["email", "email_verified"],
      groups: ["groups"],
    },
    scopes: ["openid", "profile", "email", "groups"],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false }, claimsParameter: { enabled: true }, resourceIndicators },
    interactions: { policy, url: (_, interaction) => `/interaction/${interaction.uid}` },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
  });
  made.on("authorization.accepted", (context) => say("authorization", { params: context.oidc.params }));
  made.on("authorization.error", (_, error) => say("authorization.error", { error: error.message }));
  made.on("grant.success", (context) => say("grant", { client: context.oidc.client.clientId }));
  made.on("grant.error", (_, error) => say("grant.error", { error: error.message, why: error.error_detail }));
  made.on("server_error", (_, error) => say("failure", { error: String(error.stack) }));
  return made;
}

let rotations = 0;
let current = provider();
let callback = current.callback();

async function interaction(request, response) {
  const { uid } = await current.interactionDetails(request, response);
  if (request.method === "GET") {
    response.setHeader("content-type", "text/html");
    return response.end(`<!doctype html><form method="post" action="/interaction/${uid}">
      <input name="username"><input type="password" name="password"><button>Sign in</button></form>`);
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const form = new URLSearchParams(body);
  const accountId = form.get("username");
  if (people[accountId]?.password !== form.get("password")) {
    response.statusCode = 401;
    return response.end("wrong password");
  }
  const result = form.get("decision") === "deny" ? { error: "access_denied" } : { login: { accountId } };
  return current.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const server = createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) return callback(request, response);
  interaction(request, response).catch((error) => {
    say("failure", { error: String(error.stack) });
    response.statusCode = 500;
    response.end();
  });
});

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line !== "rotate") throw new Error(`unknown order ${line}`);
  current = provider();
  callback = current.callback();
  say("rotated", { times: (rotations += 1) });
});
process.on("SIGTERM", () => process.exit(0));
server.listen(settings.port, "127.0.0.1", () => console.log("ready"));
