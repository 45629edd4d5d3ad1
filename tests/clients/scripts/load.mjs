// Loads the libraries that other scripts build on and prints their names.
import Anthropic from "@anthropic-ai/sdk";
import * as oauth from "oauth4webapi";
import Provider from "oidc-provider";
import * as openid from "openid-client";

const loaded = {
  anthropic: typeof Anthropic,
  oauth4webapi: typeof oauth.discoveryRequest,
  "oidc-provider": typeof Provider,
  "openid-client": typeof openid.discovery,
};
for (const [name, kind] of Object.entries(loaded)) {
  if (kind !== "function") throw new Error(`${name} has no entry point`);
  console.log(name);
}
