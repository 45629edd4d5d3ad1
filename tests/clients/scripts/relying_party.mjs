// A relying party on oauth4webapi: reads one JSON command per line, answers with one JSON line. A failure is told the
// way the library reports it; a library that cannot read our answer shows up as another class of error.
import { createInterface } from "node:readline";
import * as oauth from "oauth4webapi";

const insecure = { [oauth.allowInsecureRequests]: true };
const authentications = { none: oauth.None, basic: oauth.ClientSecretBasic, post: oauth.ClientSecretPost };

let server; // the authorization server's metadata
let client;
let authentication;
let pending; // the authorization request under way

const commands = {
  async discover({ issuer, algorithm }) {
    const url = new URL(issuer);
    server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm, ...insecure }));
    return server;
  },

  async discover_resource({ resource }) {
    const url = new URL(resource);
    return oauth.processResourceDiscoveryResponse(url, await oauth.resourceDiscoveryRequest(url, insecure));
  },

  be({ client_id, method, secret }) {
    client = { client_id };
    authentication = authentications[method](secret);
    return {};
  },

  async authorize({ redirect_uri, ...more }) {
    const verifier = oauth.generateRandomCodeVerifier();
    pending = { redirect_uri, verifier, state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
    const url = new URL(server.authorization_endpoint);
    const parameters = {
      response_type: "code",
      client_id: client.client_id,
      redirect_uri,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...more,
    };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return { url: url.href };
  },

  async redeem({ callback, verifier, max_age, resource }) {
    const { state, nonce, redirect_uri } = pending;
    const parameters = oauth.validateAuthResponse(server, client, new URL(callback), state);
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      authentication,
      parameters,
      redirect_uri,
      verifier ?? pending.verifier,
      { ...insecure, additionalParameters: resource ? { resource } : {} },
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
      maxAge: max_age,
    });
    await oauth.validateApplicationLevelSignature(server, response, insecure);
    return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
  },

  async userinfo({ token, subject }) {
    const response = await oauth.userInfoRequest(server, client, token, insecure);
    return oauth.processUserInfoResponse(server, client, subject, response);
  },

  async refresh({ token, ...more }) {
    const options = { ...insecure, additionalParameters: more };
    const response = await oauth.refreshTokenGrantRequest(server, client, authentication, token, options);
    const tokens = await oauth.processRefreshTokenResponse(server, client, response);
    if (tokens.id_token) await oauth.validateApplicationLevelSignature(server, response, insecure);
    return { tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
  },

  async client_credentials(parameters) {
    const response = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, insecure);
    return oauth.processClientCredentialsResponse(server, client, response);
  },

  async exchange(parameters) {
    const grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    const response = await oauth.genericTokenEndpointRequest(
      server,
      client,
      authentication,
      grant,
      parameters,
      insecure,
    );
    return oauth.processGenericTokenEndpointResponse(server, client, response);
  },

  async introspect({ token }) {
    const response = await oauth.introspectionRequest(server, client, authentication, token, insecure);
    return oauth.processIntrospectionResponse(server, client, response);
  },

  async revoke({ token }) {
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, authentication, token, insecure),
    );
    return {};
  },

  header({ token }) {
    return JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
  },

  // What a resource server does with an access token (RFC 9068).
  async accept({ token, audience }) {
    const request = new Request(audience, { headers: { authorization: `Bearer ${token}` } });
    return oauth.validateJwtAccessToken(server, request, audience, insecure);
  },
};

function told(error) {
  const { name, message, code, status, error: kind, error_description } = error;
  const found = { name: error.constructor.name ?? name, message, code, status, error: kind, error_description };
  if (error instanceof oauth.WWWAuthenticateChallengeError) found.challenges = error.cause;
  else if (error.cause) found.why = JSON.stringify(error.cause, null, 1)?.slice(0, 600);
  return found;
}

console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...parameters } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ done: await commands[command](parameters) }));
  } catch (error) {
    console.log(JSON.stringify({ failed: told(error) }));
  }
}
