// The chat's web view in a browser, without an editor around it: what it is told and what it tells goes through `window`.

import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { LIMIT_MS } from "./lib/check.mjs";

/** A browser of TOOLS/node_modules/playwright-core. */
export async function browse(tools) {
  const { chromium } = createRequire(`${resolve(tools)}/`)("playwright-core");
  return chromium.launch({
    ...(process.env.CHROMIUM === undefined ? {} : { executablePath: process.env.CHROMIUM }),
    // As root, in a container, the browser's own sandbox cannot be had. It loads nothing but this page.
    args: ["--no-sandbox", "--enable-precise-memory-info"],
  });
}

/** THROTTLE=n makes the page's processor n times slower, to find what is right only on a quick machine. */
export async function throttle(page) {
  const rate = Number(process.env.THROTTLE ?? 1);
  if (rate > 1) {
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate });
  }
}

/** The view of the folder `view`, empty, with a turn that runs. What it does wrong ends the program. */
export async function openView(browser, view) {
  const page = await browser.newPage({ viewport: { width: 420, height: 900 } });
  page.setDefaultTimeout(LIMIT_MS);
  await throttle(page);
  page.on("pageerror", (error) => {
    throw error;
  });
  page.on("console", (message) => {
    if (message.type() === "error") {
      throw new Error(message.text());
    }
  });
  await page.route("http://view.test/**", (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/") {
      return route.fulfill({ contentType: "text/html", body: PAGE });
    }
    return pathname === "/favicon.ico"
      ? route.fulfill({ status: 204 })
      : route.fulfill({ path: join(resolve(view), pathname) });
  });
  await page.goto("http://view.test/");
  await page.waitForFunction(() => window.sent.some(({ type }) => type === "ready"));
  await page.evaluate(() => window.reset());
  return page;
}

const PAGE = `<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><link rel="stylesheet" href="/styles.css">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src http://view.test; script-src http://view.test 'unsafe-inline'; img-src data:">
</head><body class="vscode-dark"><div id="app"></div><script>
window.sent = [];
window.acquireVsCodeApi = () => ({
  postMessage: (message) => window.sent.push(message),
  getState: () => undefined, setState() {},
});
window.status_ = { running: true, connected: true, trouble: undefined, sessionId: "s", model: "a/b", mode: "ask", models: [], title: "", queue: [] };
const frame = () => new Promise(requestAnimationFrame);
// Until the view, which listened first, has taken it.
let told = 0;
window.tell = (message) => new Promise((resolve) => {
  const number = ++told;
  window.addEventListener("message", function taken({ data }) {
    if (data.number === number) {
      window.removeEventListener("message", taken);
      resolve();
    }
  });
  window.postMessage({ ...message, number }, "*");
});
window.reset = async () => {
  await window.tell({ type: "reset", events: [], status: window.status_ });
  await window.feed([{ type: "turnStarted", turnId: "t", prompt: [{ type: "text", text: "go" }] }], 1, 0);
};
window.feed = async (events, together, pause) => {
  let taken;
  for (let at = 0; at < events.length; at += together) {
    const some = events.slice(at, at + together).map((event) => ({ event, at: Date.now() }));
    taken = window.tell({ type: "events", events: some });
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
  await taken;
  await frame();
};
</script><script src="/main.js"></script></body></html>`;
