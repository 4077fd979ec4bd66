// Says what the page's first load weighs, and fails over the limit: JS and CSS, compressed.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_KB = 600;
const page = new URL("../../service/pawfect_service/page/", import.meta.url);
const index = readFileSync(new URL("index.html", page), "utf8");
const seen = new Set();
const follow = (name) => {
  if (seen.has(name)) return;
  seen.add(name);
  const text = readFileSync(new URL(`assets/${name}`, page), "utf8");
  // What a module imports statically is loaded with it; `import(...)` is not.
  for (const [, other] of text.matchAll(/(?:from|import)\s*["']\.\/([\w.-]+\.js)["']/g))
    follow(other);
};
for (const [, name] of index.matchAll(/\/assets\/([\w.-]+\.(?:js|css))/g)) follow(name);
let total = 0;
for (const name of seen) {
  const size = gzipSync(readFileSync(new URL(`assets/${name}`, page)), { level: 9 }).length / 1000;
  total += size;
  console.log(`${size.toFixed(1).padStart(8)} kB  ${name}`);
}
console.log(
  `${total.toFixed(1).padStart(8)} kB  loaded at the start, compressed; at most ${LIMIT_KB}`,
);
if (total > LIMIT_KB) process.exit(1);
