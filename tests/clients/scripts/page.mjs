// What a browser does with the requests of a page (Fetch §3.2, the CORS protocol), without credentials: the `fetch` of
// a page of `origin`. A request that the server does not let the page make fails as in a browser, with "Failed to
// fetch", and the page sees of an answer only the header lines that it may.
const PLAIN_NAMES = ["accept", "accept-language", "content-language"];
const PLAIN_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];
const PLAIN_METHODS = ["GET", "HEAD", "POST"];
const READABLE = ["cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"];

const listed = (value) => (value ?? "").split(",").map((name) => name.trim().toLowerCase());
const failed = (why) => new TypeError("Failed to fetch", { cause: new Error(why) });

export function pageOf(origin) {
  const send = globalThis.fetch;
  const lets = (answer) => ["*", origin].includes(answer.headers.get("access-control-allow-origin"));

  async function ask(url, method, names) {
    const headers = { origin, "access-control-request-method": method };
    if (names.length > 0) headers["access-control-request-headers"] = names.join(",");
    const answer = await send(url, { method: "OPTIONS", headers });
    if (!answer.ok || !lets(answer)) throw failed(`preflight of ${method} ${url}: ${answer.status}`);
    const methods = listed(answer.headers.get("access-control-allow-methods"));
    if (!PLAIN_METHODS.includes(method) && !methods.includes(method.toLowerCase())) throw failed(`no ${method}`);
    // A star lets every name in but for `authorization`.
    const allowed = listed(answer.headers.get("access-control-allow-headers"));
    const missing = names.filter((name) => !allowed.includes(name) && (name === "authorization" || !allowed.includes("*")));
    if (missing.length > 0) throw failed(`not allowed: ${missing}`);
  }

  return async (target, init = {}) => {
    const [url, method] = [String(target), (init.method ?? "GET").toUpperCase()];
    const headers = new Headers(init.headers);
    const plain = ([name, value]) =>
      PLAIN_NAMES.includes(name) || (name === "content-type" && PLAIN_TYPES.includes(value.split(";")[0].trim()));
    const names = [...headers].filter((field) => !plain(field)).map(([name]) => name);
    if (!PLAIN_METHODS.includes(method) || names.length > 0) await ask(url, method, names);
    headers.set("origin", origin);
    const answer = await send(url, { ...init, headers });
    if (!lets(answer)) throw failed(`${method} ${url}: ${answer.status} without leave to read it`);
    const exposed = [...READABLE, ...listed(answer.headers.get("access-control-expose-headers"))];
    const seen = new Headers([...answer.headers].filter(([name]) => exposed.includes(name)));
    return new Proxy(answer, {
      get(whole, name) {
        if (name === "headers") return seen;
        const value = Reflect.get(whole, name, whole);
        return typeof value === "function" ? value.bind(whole) : value;
      },
    });
  };
}
