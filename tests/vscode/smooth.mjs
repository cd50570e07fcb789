// Measures how smooth the chat view stays: the built web view in a real Chromium, fed as the extension feeds it.
//
//   node smooth.mjs TOOLS VIEW      TOOLS has playwright-core in its node_modules, VIEW is editors/vscode/dist/webview
//
// It prints figures, which depend on the machine, and fails only on what must hold on any: nothing is lost, what is
// typed meanwhile arrives, and what is in the document does not grow with what was printed.

import assert from "node:assert/strict";
import { browse, openView } from "./page.mjs";

const [tools, view] = process.argv.slice(2);
if (tools === undefined || view === undefined) {
  throw new Error("usage: node smooth.mjs TOOLS VIEW");
}

const DELTAS = 20_000;
const OUTPUT = 5 * 1024 * 1024;
/** The extension sends what came within about a frame together. */
const TOGETHER_MS = 16;
/** Longer than this without a frame, on any machine, is not smooth. */
const STUCK_MS = 5000;

/** An answer of many small pieces: prose, lists, tables, long code. */
async function streamed() {
  const page = await opened();
  const text = prose();
  await page.evaluate(
    ({ text, count }) => {
      const size = Math.ceil(text.length / count);
      window.events = Array.from({ length: count }, (_, index) => ({
        type: "messageDelta",
        text: text.slice(index * size, (index + 1) * size),
      }));
    },
    { text, count: DELTAS },
  );
  for (const [name, perBatch] of [
    ["2,000 deltas a second", 32],
    ["as fast as they come", 2000],
  ]) {
    await page.evaluate(() => window.reset());
    const figures = await measured(page, async () => {
      await page.evaluate(({ perBatch, pause }) => window.feed(window.events, perBatch, pause), {
        perBatch,
        pause: TOGETHER_MS,
      });
      await page.waitForFunction(() => document.querySelector(".answer")?.textContent.includes("THE END") === true);
    });
    report(`20,000 deltas, ${name} (${kilo(text.length)})`, figures);
    const shown = await page.evaluate(() => document.querySelector(".answer").textContent);
    for (const word of ["BEGINNING", "MIDDLE", "THE END"]) {
      assert.ok(shown.includes(word), `the answer lacks ${word}`);
    }
  }
  await page.close();
}

/** A command that prints five megabytes into a row that is open. */
async function printed() {
  const page = await opened();
  const lines = [];
  for (let length = 0; length < OUTPUT; length += lines.at(-1).length + 1) {
    lines.push(`[${lines.length}] ${"compiling something with a rather long name ".repeat(1 + (lines.length % 3))}`);
  }
  const output = `${lines.join("\n")}\n`;
  const call = {
    type: "toolCall",
    callId: "c",
    tool: "bash",
    input: { command: "make" },
    class: "execute",
    title: "make",
  };
  await page.evaluate((event) => window.feed([event], 1, 0), call);
  await page.locator(".call > summary").click();
  await page.evaluate((output) => {
    window.events = [];
    for (let at = 0; at < output.length; at += 16_384) {
      window.events.push({ type: "toolProgress", callId: "c", offset: at, text: output.slice(at, at + 16_384) });
    }
  }, output);
  const figures = await measured(page, async () => {
    await page.evaluate((pause) => window.feed(window.events, 4, pause), TOGETHER_MS);
    await page.waitForFunction(
      (last) => document.querySelector(".output")?.textContent.includes(last) === true,
      `[${lines.length - 1}]`,
    );
  });
  report(`5 MB of output, ${lines.length.toLocaleString("en")} lines, in an open row`, figures);
  assert.ok(figures.characters < 100_000, `the document holds ${figures.characters} characters of the output`);

  const scrolled = await measured(page, () =>
    page.evaluate(async () => {
      const output = document.querySelector(".output");
      for (let step = 0; step <= 120; step += 1) {
        output.scrollTop = (output.scrollHeight * (120 - step)) / 120;
        await new Promise(requestAnimationFrame);
      }
    }),
  );
  report("scrolling through it", scrolled);
  const first = await page.evaluate(() => document.querySelector(".output").textContent);
  assert.ok(first.startsWith("[0] "), "its first line is not where it should be");
  await page.close();
}

/** A conversation of 20,000 events that is opened again. */
async function reopened() {
  const page = await opened();
  const events = [];
  for (let turn = 0; events.length < DELTAS; turn += 1) {
    events.push({
      event: { type: "turnStarted", turnId: `t${turn}`, prompt: [{ type: "text", text: `prompt ${turn}` }] },
    });
    for (let call = 0; call < 6; call += 1) {
      const callId = `t${turn}c${call}`;
      events.push({
        event: { type: "toolCall", callId, tool: "read", input: { path: "a" }, class: "read", title: `Read ${callId}` },
      });
      events.push({ event: { type: "toolResult", callId, status: "ok", text: "text\n".repeat(20) } });
    }
    events.push({ event: { type: "messageDelta", text: `Answer **${turn}** with \`code\`.\n\n- one\n- two\n` } });
    events.push({ event: { type: "turnEnded", turnId: `t${turn}`, stopReason: "endTurn", usage: {} } });
  }
  // Handed over as text: what the driver does with objects would be measured, too.
  await page.evaluate((json) => {
    window.events = JSON.parse(json);
  }, JSON.stringify(events));
  const turns = events.filter(({ event }) => event.type === "turnStarted").length;
  const figures = await measured(page, async () => {
    await page.evaluate(() =>
      window.postMessage({ type: "reset", events: window.events, status: window.status_ }, "*"),
    );
    await page.getByText(`prompt ${turns - 1}`, { exact: true }).waitFor();
  });
  report(`opening a conversation of 20,000 events, ${turns.toLocaleString("en")} turns`, figures);

  const back = await measured(page, () =>
    page.evaluate(async () => {
      const scroller = document.querySelector(".transcript");
      const height = scroller.scrollHeight;
      for (let step = 1; step <= 100; step += 1) {
        scroller.scrollTop = (height * (100 - step)) / 100;
        await new Promise(requestAnimationFrame);
      }
    }),
  );
  report("scrolling back to its first turn", back);
  await page.getByText("prompt 0", { exact: true }).waitFor();
  assert.ok(back.elements < 20_000, `the document holds ${back.elements} elements`);
  await page.close();
}

async function opened() {
  const page = await openView(browser, view);
  await page.evaluate(watching);
  return page;
}

/** What happens to the frames, and to a person who types, while `work` is done. */
async function measured(page, work) {
  await page.evaluate(() => window.watch());
  const began = performance.now();
  let isDone = false;
  const typing = (async () => {
    const typed = "typing goes on";
    await page.locator("textarea").first().fill("");
    await page.locator("textarea").first().focus();
    for (const letter of typed) {
      await page.keyboard.type(letter);
      if (isDone) {
        continue;
      }
      await page.waitForTimeout(40);
    }
    return typed;
  })();
  await work();
  isDone = true;
  const took = performance.now() - began;
  const typed = await typing;
  assert.equal(await page.locator("textarea").first().inputValue(), typed, "what was typed is lost");
  return { took, ...(await page.evaluate(() => window.watched())) };
}

function report(what, { took, frames, keys, elements, heap, ...rest }) {
  const ms = (value) => `${value.toFixed(0)} ms`;
  console.log(`${what}: ${(took / 1000).toFixed(1)} s`);
  console.log(`  between frames: median ${ms(frames.median)}, 95 % ${ms(frames.p95)}, longest ${ms(frames.longest)}`);
  console.log(`  from a key to the next frame: median ${ms(keys.median)}, longest ${ms(keys.longest)}`);
  console.log(
    `  in the document: ${elements} elements, ${kilo(rest.characters)} of text; heap ${(heap / 1e6).toFixed(0)} MB`,
  );
  assert.ok(frames.longest < STUCK_MS, `${what}: the view stood still for ${ms(frames.longest)}`);
}

function kilo(count) {
  return `${Math.round(count / 1000).toLocaleString("en")} kB`;
}

function prose() {
  const parts = ["# BEGINNING\n\n"];
  const code = Array.from(
    { length: 400 },
    (_, line) => `    let value_${line} = compute(${line}); // a comment\n`,
  ).join("");
  for (let section = 0; section < 60; section += 1) {
    parts.push(`## Section ${section}${section === 30 ? " MIDDLE" : ""}\n\n`);
    parts.push("Some **bold** words, some `code`, and a [link](https://example.org). ".repeat(12), "\n\n");
    parts.push(Array.from({ length: 8 }, (_, item) => `- item ${item} of a list\n`).join(""), "\n");
    parts.push("| a | b |\n|---|---|\n", "| 1 | 2 |\n".repeat(6), "\n");
    if (section % 15 === 0) {
      parts.push("```rust\nfn main() {\n", code, "}\n```\n\n");
    }
  }
  // One paragraph without an end is the worst case: it is rendered as a whole each time.
  parts.push("word ".repeat(6000), "THE END");
  return parts.join("");
}

/** Runs in the page, and notes when frames and keys come. */
function watching() {
  let gaps = [],
    keys = [],
    last = 0,
    isWatching = false;
  const tick = (now) => {
    if (!isWatching) return;
    if (last > 0) gaps.push(now - last);
    last = now;
    requestAnimationFrame(tick);
  };
  addEventListener(
    "keydown",
    (event) => {
      if (isWatching) requestAnimationFrame(() => keys.push(performance.now() - event.timeStamp));
    },
    true,
  );
  window.watch = () => {
    gaps = [];
    keys = [];
    last = 0;
    isWatching = true;
    requestAnimationFrame(tick);
  };
  const figures = (values) => {
    const sorted = [...values].sort((left, right) => left - right);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { median: at(0.5), p95: at(0.95), longest: sorted.at(-1) ?? 0 };
  };
  window.watched = () => {
    isWatching = false;
    return {
      frames: figures(gaps),
      keys: figures(keys),
      elements: document.querySelectorAll("*").length,
      characters: document.getElementById("app").textContent.length,
      heap: performance.memory?.usedJSHeapSize ?? 0,
    };
  };
}

const browser = await browse(tools);
try {
  await streamed();
  await printed();
  await reopened();
} finally {
  await browser.close();
}
