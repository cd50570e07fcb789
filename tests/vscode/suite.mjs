// suite.mjs BINARY VSIX TOOLS SCREENS   the extension in a real workbench, against the real program and a scripted model.
//
// TOOLS/node_modules has code-server and playwright-core; CHROMIUM is a browser. ONLY=regex chooses the cases, THROTTLE=n
// makes the browser n times slower, LIMIT_MS is how long anything may take, KEEP keeps what was written.

import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import cases from "./cases.mjs";
import { counts, fail } from "./lib/check.mjs";
import { Model } from "./lib/model.mjs";
import { Person } from "./lib/person.mjs";
import { remove, Workbench } from "./lib/workbench.mjs";

const [binary, vsix, tools, screens] = process.argv.slice(2).map((path) => realpathSync(path));
const { chromium } = createRequire(`${tools}/`)("playwright-core");
const only = new RegExp(process.env.ONLY ?? "");
const folder = mkdtempSync(`${realpathSync(tmpdir())}/pillion-vscode-`);
const project = `${folder}/project`;
mkdirSync(project);

const chosen = cases.filter(({ name }) => only.test(name));
for (const [file, text] of chosen.flatMap(({ files = {} }) => Object.entries(files))) {
  mkdirSync(dirname(`${project}/${file}`), { recursive: true });
  writeFileSync(`${project}/${file}`, text);
}

const stops = [];
try {
  const model = await Model.start(folder);
  stops.push(() => model.stop());
  for (const { prepare } of chosen) {
    prepare?.(project);
  }
  const bench = await Workbench.start({ tools, folder, vsix, binary, model });
  stops.push(() => bench.stop());
  // As root, in a container, the browser's own sandbox cannot be had. It loads nothing but this workbench.
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  stops.push(() => browser.close());
  const me = await Person.sitDown({ browser, bench, project, screens });
  for (const one of chosen) {
    console.log(`-- ${one.name}`);
    const begin = Date.now();
    try {
      await model.play(one.steps ?? []);
      await one.run({ me, model, bench, project, binary });
      await me.tidy();
    } catch (error) {
      fail(error);
      await me.screen(`failed-${one.name.replaceAll(/\W+/g, "-")}`);
      await me.recover(bench);
    }
    console.log(`   ${((Date.now() - begin) / 1000).toFixed(1)} s`);
  }
} catch (error) {
  fail(error);
} finally {
  for (const stop of stops.reverse()) {
    await stop();
  }
  if (process.env.KEEP === undefined) {
    remove(folder);
  } else {
    console.log(folder);
  }
}
const { passed, failures } = counts();
console.log(`${passed} passed, ${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
