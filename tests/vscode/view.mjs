// What the chat view makes of what it is told, and what it tells: the built web view in a real Chromium.
//
//   node view.mjs TOOLS VIEW      TOOLS has playwright-core in its node_modules, VIEW is editors/vscode/dist/webview

import assert from "node:assert/strict";
import { becomes } from "./lib/check.mjs";
import { browse, openView } from "./page.mjs";

const [tools, view] = process.argv.slice(2);
if (tools === undefined || view === undefined) {
  throw new Error("usage: node view.mjs TOOLS VIEW");
}

const call = (callId, title, more = {}) => ({
  type: "toolCall",
  callId,
  tool: "bash",
  input: { command: title },
  class: "execute",
  title,
  ...more,
});
const done = (callId, status, text, more = {}) => ({ type: "toolResult", callId, status, text, ...more });
const nested = (callId, event) => ({ type: "nested", callId, event });
const hunk = (start, text) => ({ oldStart: start, oldLines: 1, newStart: start, newLines: 1, text });
const diff = { path: "/p/a.txt", unified: "", hunks: [hunk(1, "-one\n+ONE\n"), hunk(9, "-nine\n+NINE\n")] };
const approval = {
  approvalId: "a1",
  sessionId: "s",
  turnId: "t",
  callId: "c",
  tool: "edit",
  input: {},
  class: "edit",
  title: "Edit a.txt",
  paths: [],
  outside: false,
  rules: ["edit(a.txt)"],
};

/** Before anything was said. */
const BEGINNING = { running: false, connected: true, mode: "ask", models: [], title: "", queue: [] };

/** Keeps the screen to be looked at, in the folder SCREENS if there is one. */
async function keep(page, name) {
  if (process.env.SCREENS !== undefined) {
    await page.screenshot({ path: `${process.env.SCREENS}/${name}.png` });
  }
}
const counts = (what, locator, expected) => becomes(what, () => locator.count(), expected);

const cases = {
  async "Markdown is rendered, code has its buttons, and nothing in it runs or loads"({ page, feed, told }) {
    await feed({ type: "messageDelta", text: "**bold** <img src=x onerror=alert(1)>\n\n```js\nlet x" });
    await page.locator("figure.code").waitFor();
    await feed({ type: "messageDelta", text: " = 1;\n```\n\n![a](https://example.org/a.png) and `src/a.rs:3`\n" });
    await page.locator("strong", { hasText: "bold" }).waitFor();
    await page.locator("a[data-place]").waitFor();
    await counts("no image is made", page.locator(".answer img"), 0);
    await page.getByRole("button", { name: "Copy", exact: true }).click();
    assert.deepEqual(await told("copy"), { type: "copy", text: "let x = 1;\n" });
    await page.getByRole("button", { name: "Apply", exact: true }).click();
    assert.deepEqual(await told("applyCode"), { type: "applyCode", text: "let x = 1;\n", language: "js" });
    await page.locator("a[data-place]").click();
    assert.deepEqual(await told("openFile"), { type: "openFile", path: "src/a.rs", line: 3 });
  },

  async "what is withdrawn goes off the screen, and no more"({ page, feed }) {
    await feed({ type: "messageDelta", text: "kept" }, { type: "usage", round: {}, turn: {} });
    await feed({ type: "reasoningDelta", text: "hm" }, { type: "messageDelta", text: "withdrawn" });
    await page.getByText("withdrawn").waitFor();
    await feed({ type: "superseded" }, { type: "messageDelta", text: "anew" });
    await page.locator(".answer", { hasText: "anew" }).waitFor();
    await becomes("the answers", () => page.locator(".answer").allInnerTexts(), ["kept", "anew"]);
    await counts("the thinking is gone", page.locator(".thinking"), 0);
  },

  async "a call's row opens on its command, its output as it comes, and its error"({ page, feed }) {
    await feed(call("c", "make all"), { type: "toolProgress", callId: "c", offset: 0, text: "first\n" });
    await page.locator(".call > summary").click();
    await page.locator(".output", { hasText: "first" }).waitFor();
    await feed({ type: "toolProgress", callId: "c", offset: 100, text: "later\n" });
    await page.locator(".output", { hasText: "94 bytes are not shown" }).waitFor();
    await feed(done("c", "failed", "exit code 2"));
    await page.locator(".call.failed .why", { hasText: "exit code 2" }).waitFor({ state: "attached" });
  },

  async "a sub-agent's steps stand in its call, and not beside it"({ page, feed }) {
    await feed(call("c", "Review it", { tool: "sub_agent" }), nested("c", call("n", "Read b.txt")));
    await feed(nested("c", done("n", "ok", "x")), nested("c", { type: "messageDelta", text: "looks" }));
    await feed(nested("c", { type: "messageDelta", text: " good" }));
    await page.locator(".call > summary .detail", { hasText: "Read b.txt" }).waitFor();
    await counts("one call beside the answer", page.locator(".call"), 1);
    await page.locator(".call > summary").click();
    await page.locator(".nested .answer", { hasText: "looks good" }).waitFor();
    await counts("one call in it", page.locator(".nested .call.ok"), 1);
  },

  async "chosen hunks, and the rule as it was changed, are what is answered"({ page, wait, told }) {
    await wait({ ...approval, diff });
    await page.getByRole("checkbox").nth(1).uncheck();
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    assert.deepEqual((await told("decide")).decision, { type: "allow", scope: "once", hunks: [0] });
    await page.getByRole("button", { name: "Always…" }).click();
    await page.getByRole("textbox", { name: "Rule 1 of 1" }).fill("edit(*.txt)");
    await page.getByRole("button", { name: "This Project" }).click();
    const decision = { type: "allow", scope: "project", hunks: [0], rules: ["edit(*.txt)"] };
    assert.deepEqual((await told("decide")).decision, decision);
    await page.getByRole("checkbox").first().uncheck();
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    assert.equal((await told("decide")).decision.type, "deny");
  },

  async "a command can be changed before it runs, and denied with a reason"({ page, wait, told }) {
    await wait({ ...approval, command: "rm a", input: { command: "rm a", timeout: 5 }, class: "execute" });
    await page.getByRole("button", { name: "Change the command" }).click();
    await page.getByRole("textbox", { name: "Command" }).fill("rm -i a");
    await page.getByRole("button", { name: "Allow", exact: true }).click();
    assert.deepEqual((await told("decide")).decision.input, { command: "rm -i a", timeout: 5 });
    const reason = page.getByRole("textbox", { name: "Deny, and say why" });
    await reason.fill("not that one");
    await reason.press("Enter");
    assert.deepEqual((await told("decide")).decision, { type: "deny", reason: "not that one" });
    await wait();
    await counts("what was answered elsewhere is gone", page.getByRole("alertdialog"), 0);
  },

  async "what waits does not take the focus from the one who types"({ page, wait }) {
    const prompt = page.getByRole("textbox", { name: "Prompt" });
    await prompt.pressSequentially("half a ");
    await wait(approval);
    await page.getByRole("alertdialog").waitFor();
    await page.keyboard.type("sentence");
    await becomes("the sentence is whole", () => prompt.inputValue(), "half a sentence");
    await page.locator('[role="alert"]', { hasText: "Pillion asks to: Edit a.txt." }).waitFor({ state: "attached" });
  },

  async "Enter queues while a turn runs, Ctrl+Enter steers, Escape stops"({ page, told }) {
    const prompt = page.getByRole("textbox", { name: "Prompt" });
    await prompt.fill("later");
    await prompt.press("Enter");
    assert.deepEqual(await told("say"), { type: "say", prompt: [{ type: "text", text: "later" }], how: "queue" });
    await prompt.fill("now");
    await prompt.press("Control+Enter");
    assert.equal((await told("say")).how, "steer");
    await prompt.press("ArrowUp");
    await prompt.press("ArrowUp");
    await becomes("what was said before is back", () => prompt.inputValue(), "later");
    await prompt.press("Escape");
    await told("stop");
  },

  async "a mention is completed by keys alone, and goes when its name goes"({ page, told, tell }) {
    const prompt = page.getByRole("textbox", { name: "Prompt" });
    await prompt.pressSequentially("look at @gr");
    const { request } = await told("complete", { query: "gr" });
    const block = { type: "file", path: "/p/src/greet.py" };
    await tell({ type: "completions", request, items: [{ label: "greet.py", detail: "src", block }] });
    await page.getByRole("option", { name: "greet.py" }).waitFor();
    await prompt.press("Enter");
    await prompt.press("Enter");
    const said = [block, { type: "text", text: "look at @greet.py" }];
    assert.deepEqual((await told("say")).prompt, said);
    await prompt.pressSequentially("@gr");
    const again = await told("complete", { query: "gr" });
    await tell({ type: "completions", request: again.request, items: [{ label: "greet.py", detail: "src", block }] });
    await page.getByRole("option", { name: "greet.py" }).waitFor();
    await prompt.press("Tab");
    await page.locator(".chips .chip").waitFor();
    await prompt.fill("no mention");
    await counts("the mention is gone", page.locator(".chips .chip"), 0);
  },

  async "the plan, the cost and how full the context is are shown"({ page, feed }) {
    const usage = { inputTokens: 1000, outputTokens: 20, cost: { nanoDollars: 12_000_000 } };
    await feed({
      type: "plan",
      items: [
        { text: "read", status: "completed" },
        { text: "write", status: "inProgress" },
      ],
    });
    await feed({ type: "usage", round: usage, turn: usage, context: { tokens: 50_000, window: 200_000, share: 0.25 } });
    await page.locator(".plan summary", { hasText: "Plan 1/2" }).waitFor();
    await page.getByRole("button", { name: /50k of 200k tokens \(25 %\)/ }).waitFor();
    await feed({ type: "turnEnded", turnId: "t", stopReason: "maxTokens", usage });
    await page.getByText("The answer was cut at the token limit.").waitFor();
    await page.locator(".foot", { hasText: "1k in · 20 out · $0.012" }).waitFor();
  },

  async "a question is answered by a choice, by a key, in words"({ page, tell, told }) {
    const question = { questionId: "q", sessionId: "s", turnId: "t", callId: "c", text: "Which?", allowsText: true };
    const choices = [{ label: "red" }, { label: "blue" }];
    await tell({ type: "waiting", approvals: [], questions: [{ ...question, choices }], elsewhere: {} });
    await page.getByRole("button", { name: "red" }).focus();
    await page.keyboard.press("2");
    assert.deepEqual((await told("answer")).answer, { type: "choice", index: 1 });
    const words = page.getByRole("textbox", { name: "Answer in words" });
    await words.fill("2 greens");
    await words.press("Enter");
    assert.deepEqual((await told("answer")).answer, { type: "text", text: "2 greens" });
  },

  async "what waits in another session says so"({ page, tell }) {
    const elsewhere = { other: "the other one" };
    const approvals = [approval, { ...approval, approvalId: "a2", sessionId: "other", title: "Edit b.txt" }];
    await tell({ type: "waiting", approvals, questions: [], elsewhere });
    const named = page.getByRole("alertdialog").filter({ hasText: "the other one" });
    await named.filter({ hasText: "Edit b.txt" }).waitFor();
    assert.equal(await named.count(), 1);
    await tell({ type: "waiting", approvals, questions: [], elsewhere: { s: "the first one" } });
    await page
      .getByRole("alertdialog")
      .filter({ hasText: "the first one" })
      .filter({ hasText: "Edit a.txt" })
      .waitFor();
    assert.equal(await named.count(), 0);
  },

  async "an old prompt comes back without the draft's mentions, and the draft with them"({ page, tell, told }) {
    const prompt = page.getByRole("textbox", { name: "Prompt" });
    await prompt.fill("an old one");
    await prompt.press("Enter");
    await told("say");
    const block = { type: "file", path: "/p/src/greet.py" };
    await tell({ type: "insert", blocks: [block, { type: "text", text: "a draft" }], focus: true });
    const chip = page.locator(".chips .chip");
    assert.equal(await chip.count(), 1);
    await prompt.press("Control+Home");
    await prompt.press("ArrowUp");
    assert.equal(await prompt.inputValue(), "an old one");
    assert.equal(await chip.count(), 0);
    await prompt.press("Control+End");
    await prompt.press("ArrowDown");
    assert.equal(await prompt.inputValue(), "a draft");
    assert.equal(await chip.count(), 1);
    await prompt.fill("");
    await prompt.press("Backspace");
    await prompt.press("ArrowUp");
    assert.equal(await page.getByRole("button", { name: /^Send/ }).isEnabled(), true);
  },

  async "an image leads where a link leads"({ page, feed, told }) {
    await feed({ type: "messageDelta", text: "![plan](docs/plan.png) ![web](https://example.org/a.png)\n" });
    await feed({ type: "messageDelta", text: "![run](vscode:extension/some.thing)\n\nend" });
    await page.getByRole("link", { name: "plan" }).click();
    assert.deepEqual(await told("openFile"), { type: "openFile", path: "docs/plan.png" });
    assert.equal(await page.getByRole("link", { name: "web" }).getAttribute("href"), "https://example.org/a.png");
    assert.equal(await page.getByRole("link", { name: "run" }).getAttribute("href"), "#");
  },

  async "what was said before is not read out, and what is said now is"({ page, tell, feed }) {
    const past = (text) => [
      { event: { type: "turnStarted", turnId: "p", prompt: [{ type: "text", text: "go" }] } },
      { event: { type: "messageDelta", text } },
      { event: { type: "turnEnded", turnId: "p", stopReason: "endTurn", usage: {} } },
    ];
    const status = await page.evaluate(() => window.status_);
    await tell({ type: "reset", events: past("long ago"), status });
    await tell({ type: "events", events: past("not so long ago") });
    await page.getByText("not so long ago").first().waitFor();
    const heard = page.locator('[role="status"][aria-live="polite"]');
    assert.equal(await heard.textContent(), "");
    await feed({ type: "turnStarted", turnId: "n", prompt: [] }, { type: "messageDelta", text: "just now" });
    await feed({ type: "turnEnded", turnId: "n", stopReason: "endTurn", usage: {} });
    await heard.filter({ hasText: "Pillion has answered." }).waitFor({ state: "attached" });
  },

  async "a mode that nobody chose is the configured one"({ page, tell }) {
    const status = await page.evaluate(() => window.status_);
    const { mode: _, ...unchosen } = status;
    await tell({ type: "status", status: unchosen });
    await page.getByRole("combobox", { name: "Mode: As configured" }).waitFor();
    await tell({ type: "status", status: { ...status, mode: "plan" } });
    await page.getByRole("combobox", { name: "Mode: Plan" }).waitFor();
  },

  async "without a model it says what to do, and errors elsewhere stay errors"({ page, tell, told }) {
    const needsKey = { id: "anthropic/a", provider: "anthropic", ready: false, hint: "Set ANTHROPIC_API_KEY." };
    await tell({ type: "reset", events: [], status: { ...BEGINNING, models: [needsKey] } });
    await page.getByRole("heading", { name: "Which model is to work for you?" }).waitFor();
    await tell({ type: "notYet", message: "No model is set up.", prompt: [{ type: "text", text: "hello" }] });
    await page.waitForFunction(() => document.querySelector("textarea").value === "hello");
    const failure = page.locator(".failure");
    assert.equal(await failure.isVisible(), false);
    await page.getByRole("button", { name: "Set a Key…" }).click();
    assert.equal((await told("command")).command, "setKey");
    await page.getByRole("button", { name: "Try Without a Key" }).click();
    assert.deepEqual(await told("configure"), { type: "configure", model: "scripted/hello" });
    await keep(page, "no-model");
    await tell({ type: "failed", message: "It broke." });
    await failure.filter({ hasText: "It broke." }).waitFor();
    const script = { id: "scripted/hello", provider: "scripted", ready: true };
    await tell({ type: "status", status: { ...BEGINNING, model: "scripted/hello", models: [script, needsKey] } });
    await page.locator(".setup").waitFor({ state: "hidden" });
  },

  async "a server that does not run is said once, with one thing to do"({ page, tell, told }) {
    const trouble = { message: "The program pillion is not found.", remedy: "setServerPath" };
    await tell({ type: "reset", events: [], status: { ...BEGINNING, connected: false, trouble } });
    await page.getByText("The program pillion is not found.").waitFor();
    await tell({ type: "notYet", message: trouble.message, prompt: [{ type: "text", text: "hello" }] });
    await page.waitForFunction(() => document.querySelector("textarea").value === "hello");
    assert.equal(await page.locator(".failure").isVisible(), false);
    assert.equal(await page.locator(".offline button").count(), 1);
    await keep(page, "no-server");
    await page.getByRole("button", { name: "Set Its Path" }).click();
    assert.equal((await told("command")).command, "setServerPath");
    await tell({ type: "status", status: { ...BEGINNING, connected: false, trouble: undefined } });
    await page.locator(".offline").waitFor({ state: "hidden" });
  },
};

const browser = await browse(tools);
let failures = 0;
try {
  for (const [name, run] of Object.entries(cases)) {
    const page = await openView(browser, view);
    const tell = (message) => page.evaluate((message) => window.tell(message), message);
    const feed = (...events) => page.evaluate((fed) => window.feed(fed, 1, 0), events);
    const wait = (...approvals) => tell({ type: "waiting", approvals, questions: [], elsewhere: {} });
    // What the view tells is given once, in its order: an answer is never taken for the next one's.
    const taken = new Map();
    const told = async (type, fields = {}) => {
      for (;;) {
        const found = await page.waitForFunction(
          ({ type, from }) => {
            const at = window.sent.findIndex((sent, index) => index >= from && sent.type === type);
            return at >= 0 && { at, message: window.sent[at] };
          },
          { type, from: taken.get(type) ?? 0 },
        );
        const { at, message } = await found.jsonValue();
        taken.set(type, at + 1);
        if (Object.entries(fields).every(([name, value]) => message[name] === value)) {
          return message;
        }
      }
    };
    try {
      await run({ page, tell, feed, wait, told });
      console.log(`ok  ${name}`);
    } catch (error) {
      failures += 1;
      console.log(`FAILED  ${name}\n${error instanceof Error ? error.message : error}`);
    }
    await page.close();
  }
} finally {
  await browser.close();
}
process.exitCode = failures === 0 ? 0 : 1;
