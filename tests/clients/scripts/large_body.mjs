// Posts a body that is too large, with everything that Node offers for it: URL, header lines as JSON, and bytes as
// arguments. It prints what came back by each way, as JSON.
import { request } from "node:http";
import { connect } from "node:http2";
import { Readable } from "node:stream";

const [url, lines, size] = process.argv.slice(2);
const headers = JSON.parse(lines);
const body = Buffer.alloc(Number(size), "x");

const told = async (call) => {
  try {
    return await call();
  } catch (error) {
    return { failed: `${error.message}: ${error.cause?.message ?? error.code ?? ""}` };
  }
};

const fetched = (options) => async () => {
  const answer = await fetch(url, { method: "POST", headers, ...options });
  return { status: answer.status, text: await answer.text() };
};

const plain = (length) => () =>
  new Promise((resolve, reject) => {
    const asked = request(url, { method: "POST", headers: { ...headers, ...length } }, (answer) => {
      let text = "";
      answer.on("data", (data) => (text += data));
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });

const second = () =>
  new Promise((resolve, reject) => {
    const session = connect(new URL(url).origin);
    session.on("error", reject);
    const asked = session.request({ ":method": "POST", ":path": new URL(url).pathname, ...headers });
    const answer = { text: "" };
    asked.on("response", (head) => (answer.status = head[":status"]));
    asked.on("data", (data) => (answer.text += data));
    asked.on("error", reject);
    asked.on("close", () => {
      session.destroy();
      resolve(answer);
    });
    asked.end(body);
  });

console.log(
  JSON.stringify({
    fetch: await told(fetched({ body })),
    "fetch of a stream": await told(fetched({ body: Readable.toWeb(Readable.from([body])), duplex: "half" })),
    "http with a length": await told(plain({ "content-length": body.length })),
    "http in chunks": await told(plain({ "transfer-encoding": "chunked" })),
    "http2": await told(second),
  }),
);
