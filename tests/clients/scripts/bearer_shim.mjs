// Puts a bearer token on every request, since the conformance suite has none: bearer_shim.mjs <port> <gateway port>
// <token>. Everything else passes as it is, but for its own port in Host and Origin.
import { createServer, request as ask } from "node:http";

const [port, gateway, token] = process.argv.slice(2);
const server = createServer((request, response) => {
  const headers = [];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name, value] = request.rawHeaders.slice(index, index + 2);
    const names = ["host", "origin"].includes(name.toLowerCase());
    headers.push(name, names ? value.replace(`:${port}`, `:${gateway}`) : value);
  }
  headers.push("Authorization", `Bearer ${token}`);
  const { method, url: path } = request;
  const passed = ask({ host: "127.0.0.1", port: Number(gateway), method, path, headers, setHost: false }, (answer) => {
    response.writeHead(answer.statusCode, answer.rawHeaders);
    answer.pipe(response);
  });
  passed.on("error", () => response.destroy());
  response.on("close", () => passed.destroy());
  request.pipe(passed);
});
process.on("SIGTERM", () => process.exit(0));
server.listen(Number(port), "127.0.0.1", () => console.log("ready"));
