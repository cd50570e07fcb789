// What outlives another session, a reload, a server that does not start: sessions, prompts, tasks.

import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { becomes, check, equal, eventually, insist, wait } from "../lib/check.mjs";
import { text, turn } from "../lib/model.mjs";
import { processesOf, serverOf } from "../lib/server.mjs";

/** No other suite on this machine has this one. */
const SLEEP = `sleep ${200_000 + process.pid}`;

const rows = (me) => me.chat.locator(".dock .queue .row");
const mode = (me) => me.chat.getByRole("combobox", { name: /^Mode: / });

/** The sessions in which this was said. */
function storedWith(bench, said) {
  const stored = readdirSync(bench.home, { recursive: true }).filter((file) => file.endsWith(".jsonl"));
  const found = stored.filter((file) => readFileSync(`${bench.home}/${file}`, "utf8").includes(said));
  return found.map((file) => file.split("/").at(-1).replace(".jsonl", ""));
}

/** Holds a session open as another program would, until it is killed. */
async function hold(bench, binary, sessionId) {
  const env = {
    ...process.env,
    HOME: bench.home,
    XDG_CONFIG_HOME: `${bench.home}/.config`,
    XDG_STATE_HOME: `${bench.home}/.state`,
  };
  const holder = spawn(binary, ["lsp"], { env, stdio: ["pipe", "pipe", "ignore"] });
  let heard = "";
  holder.stdout.on("data", (data) => {
    heard += data;
  });
  const send = (message) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    holder.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  };
  send({ id: 1, method: "initialize", params: { processId: process.pid, capabilities: {}, rootUri: null } });
  await wait("it is initialized", () => heard.includes('"id":1'));
  send({ method: "initialized", params: {} });
  let id = 1;
  await insist(
    "it holds the session",
    () => {
      id += 1;
      send({ id, method: "session/load", params: { sessionId } });
    },
    () => new RegExp(`"id":${id},"result"|"result":[^\\n]*"id":${id}\\b`).test(heard),
  );
  return holder;
}

export default [
  {
    name: "what waits in a session is said there, though another is shown",
    steps: [
      ...turn("begin here", [{ gate: "begun-here" }, text("Begun.")]),
      ...turn("then there", [text("Gone on.")]),
      ...turn("and elsewhere", [text("Elsewhere.")]),
    ],
    async run({ me, model }) {
      await me.say("begin here");
      await me.prompt.fill("then there");
      await me.prompt.press("Enter");
      await rows(me).filter({ hasText: "then there" }).waitFor();
      await me.begin();
      equal("it waits in its own session", await rows(me).count(), 0);
      await me.say("and elsewhere");
      await me.heard("Elsewhere.");
      await model.release("begun-here");
      await eventually("it is said", () => model.wasSent("then there"));
      await me.command("Pillion: Sessions...");
      await me.chat.locator(".sessions").getByText("begin here").first().click();
      await me.heard("Gone on.");
    },
  },
  {
    name: "a command in the background outlives its session's leaving",
    steps: [
      ...turn("serve", [{ tool: "bash", input: { command: SLEEP, background: true } }], [text("It serves.")]),
      ...turn("and now this", [text("This.")]),
    ],
    async run({ me, bench }) {
      await me.say("serve");
      await me.asked();
      await me.key("Control+Alt+Enter");
      await me.heard("It serves.");
      const [pid] = await wait("it runs", () => {
        const found = processesOf(bench, SLEEP);
        return found.length > 0 && found;
      });
      await me.begin();
      await me.say("and now this");
      await me.heard("This.");
      equal("it still runs", processesOf(bench, SLEEP)[0], pid);
      await me.command("Pillion: Sessions...");
      await me.chat.locator(".sessions").getByText("serve").first().click();
      await me.chat.getByRole("button", { name: "End it" }).click();
      await eventually("it is ended", () => processesOf(bench, SLEEP).length === 0);
    },
  },
  {
    name: "a window that is opened again goes on in its session, at once and under a lock",
    steps: [
      ...turn("before", [text("Said before.")]),
      ...turn("after", [text("Said after.")]),
      ...turn("unlocked", [text("Said unlocked.")]),
    ],
    async run({ me, bench, binary, model }) {
      await me.say("before");
      await me.heard("Said before.");
      const [sessionId] = storedWith(bench, "Said before.");
      await me.kept(sessionId);
      await me.enter(bench);
      await me.prompt.fill("after");
      await me.prompt.press("Enter");
      await me.heard("Said after.");
      await me.chat.getByText("Said before.").waitFor();
      check("in the session of before", await model.wasSent("Said before."));

      equal("it is stored", storedWith(bench, "Said after.").length, 1);
      await me.page.goto("about:blank");
      const holder = await hold(bench, binary, sessionId);
      try {
        await me.enter(bench);
        const refused = me.page.locator(".notification-toast").filter({ hasText: "The last session cannot be opened" });
        await refused.waitFor();
        await me.screen("locked");
        holder.kill("SIGKILL");
        await insist(
          "it is opened",
          () => refused.getByRole("button", { name: "Try Again" }).click(),
          async () => (await me.chat.getByText("Said after.").count()) > 0,
        );
        await me.say("unlocked");
        await me.heard("Said unlocked.");
      } finally {
        holder.kill("SIGKILL");
      }
    },
  },
  {
    name: "a prompt comes back from a server that does not run, and the next start counts",
    files: { "undone.txt": "one\ntwo\n" },
    steps: turn("say it later", [text("Said later.")]),
    async run({ me, bench, binary, project }) {
      const restart = (what, ask) => insist(what, () => me.command("Pillion: Restart Server"), ask);
      try {
        bench.usesServer(`${project}/nowhere`);
        const trouble = me.chat.locator(".offline").filter({ hasText: "nowhere" });
        await restart("it cannot be started", () => trouble.isVisible());
        await me.prompt.fill("say it later");
        await me.prompt.press("Enter");
        await becomes("the prompt is back", () => me.prompt.inputValue(), "say it later");
        await me.prompt.fill("");
        await me.open("undone.txt");
        await me.key("Control+Alt+I");
        await me.page.locator(".review-widget .monaco-editor.focused").waitFor();
        await me.type("shout it");
        await me.page.locator(".review-widget").getByText("shout it").waitFor();
        await me.key("Control+Enter");
        await becomes("so is what was written between the lines", () => me.prompt.inputValue(), "shout it");
        await me.prompt.fill("");
        await me.chat.getByRole("button", { name: /^Remove undone.txt/ }).click();

        const mute = `${project}/mute`;
        writeFileSync(mute, `#!/bin/sh\nexec ${SLEEP}\n`);
        chmodSync(mute, 0o755);
        bench.usesServer(mute);
        await restart("a program that never answers is started", () => processesOf(bench, SLEEP).length > 0);
        bench.usesServer(binary);
        await restart("the server runs", () => serverOf(bench, binary) !== undefined);
        await me.say("say it later");
        await me.heard("Said later.");
        await eventually("the other is gone", () => processesOf(bench, SLEEP).length === 0);
      } finally {
        bench.usesServer(binary);
      }
    },
  },
  {
    name: "a session begins in the mode of the settings",
    steps: turn("which mode", [text("That one.")]),
    async run({ me, bench, project }) {
      const begun = async (wanted) => {
        await me.begin();
        await me.say("which mode");
        await me.heard("That one.");
        return (await mode(me).getAttribute("aria-label")) === `Mode: ${wanted}`;
      };
      // In a window in which nobody chose another.
      await me.enter(bench);
      mkdirSync(`${project}/.vscode`, { recursive: true });
      writeFileSync(`${project}/.vscode/settings.json`, JSON.stringify({ "pillion.mode": "plan" }));
      try {
        // The editor reads the file when it has seen that it changed.
        await eventually("it is Plan", () => begun("Plan"));
      } finally {
        rmSync(`${project}/.vscode`, { recursive: true });
      }
      await wait("it is Ask again", () => begun("Ask"));
    },
  },
];
