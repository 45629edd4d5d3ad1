// Prints the version of Node, then the versions of the installed packages as JSON.
import { readFileSync } from "node:fs";

const pinned = JSON.parse(readFileSync(new URL("../package.json", import.meta.url))).dependencies;
const installed = {};
for (const name of Object.keys(pinned)) {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  installed[name] = JSON.parse(readFileSync(manifest)).version;
}
console.log(process.version);
console.log(JSON.stringify(installed));
