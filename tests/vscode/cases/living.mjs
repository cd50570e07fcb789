// The server's life: crashes, keys, and what the doctor says.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { check, eventually, wait } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";

/** The server that this workbench started last, and no other on this machine. */
function serverOf(bench, binary) {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const all = rows.map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row)).filter((found) => found !== null);
  const parents = new Map(all.map(([, pid, parent]) => [Number(pid), Number(parent)]));
  const isOurs = (pid) => pid === bench.process.pid || (parents.has(pid) && isOurs(parents.get(pid)));
  const found = all.findLast(([, pid, , args]) => args.startsWith(`${binary} lsp`) && isOurs(Number(pid)));
  return found === undefined ? undefined : Number(found[1]);
}

export default [
  {
    name: "the server crashes while it asks, and goes on where it was",
    files: { "crash.txt": "one\ntwo\n" },
    steps: turn("survive", [read("crash.txt")], [edit("crash.txt", ["two", "TWO"])], [text("Heard.")]),
    async run({ me, bench, binary }) {
      await me.say("survive");
      await me.asked();
      const pid = await wait("the server runs", () => serverOf(bench, binary));
      process.kill(pid, "SIGKILL");
      await wait("another server runs", () => ![undefined, pid].includes(serverOf(bench, binary)));
      // What asked before the crash is taken away and comes again: the key counts from then on.
      await eventually("it asks again, and goes on", async () => {
        await me.key("Control+Alt+Enter");
        return (await me.turn.getByText("Heard.").count()) > 0;
      });
      await me.settled();
      await me.heard("Heard.");
      await me.turn.locator(".prompt").filter({ hasText: "survive" }).waitFor();
      await eventually("the edit is made", () => me.onDisk("crash.txt") === "one\nTWO\n");
    },
  },
  {
    name: "a key is kept in the secret storage and given to the server in its environment",
    async run({ me, bench, binary }) {
      const before = serverOf(bench, binary);
      await me.command("Pillion: Set a Provider's Key...");
      await me.choose("OpenAI");
      const secret = me.page.locator(".quick-input-widget input[type=password]");
      await secret.fill("sk-of-a-test");
      await secret.press("Enter");
      const pid = await wait("the server is started anew", () => {
        const now = serverOf(bench, binary);
        return now !== before && now;
      });
      check("it has the key", readFileSync(`/proc/${pid}/environ`, "utf8").includes("OPENAI_API_KEY=sk-of-a-test"));
      check("not where all can read it", !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("sk-of-a-test"));
    },
  },
  {
    name: "the doctor says what is there",
    async run({ me, binary }) {
      await me.command("Pillion: Doctor");
      await me.page.locator(".view-line").filter({ hasText: binary }).first().waitFor();
      await me.page.locator(".view-line").filter({ hasText: "anthropic/fake" }).first().waitFor();
      await me.screen("doctor");
      check("it names the program and the model", true);
    },
  },
];
