// The server's life: crashes, keys, and what the doctor says.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { check, eventually, insist, wait } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";
import { crash, serverOf } from "../lib/server.mjs";

/** The same program, which calls itself 9.9.9; as long a name as its own, so that nothing else changes. */
const otherVersion = (binary, version) => `#!/usr/bin/env python3
import os, subprocess, sys
child = subprocess.Popen([${JSON.stringify(binary)}, *sys.argv[1:]], stdout=subprocess.PIPE)
while part := os.read(child.stdout.fileno(), 1 << 20):
    os.write(1, part.replace(b'"version":"${version}"', b'"version":"9.9.9"'))
sys.exit(child.wait())
`;

export default [
  {
    name: "the server crashes while it asks, and goes on where it was",
    files: { "crash.txt": "one\ntwo\n" },
    steps: turn("survive", [read("crash.txt")], [edit("crash.txt", ["two", "TWO"])], [text("Heard.")]),
    async run({ me, bench, binary }) {
      await me.say("survive");
      await me.asked();
      await crash(bench, binary);
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
    name: "a server of another version is told of, and one that is missing",
    async run({ me, bench, binary }) {
      const version = execFileSync(binary, ["--version"], { encoding: "utf8" }).trim().split(" ").at(-1);
      const other = `${bench.home}/other-version`;
      writeFileSync(other, otherVersion(binary, version), { mode: 0o755 });
      const toast = (words) => me.page.locator(".notification-toast").filter({ hasText: words });
      const startsWith = async (path, told) => {
        bench.usesServer(path);
        // The settings are read again a while after they were written.
        await insist(
          `${path} is told of`,
          () => me.command("Pillion: Restart Server"),
          () => told.isVisible(),
        );
      };
      await startsWith(other, toast("the server 9.9.9").first());
      await me.screen("another-version");
      await toast("the server 9.9.9").first().getByRole("button", { name: "Doctor" }).click();
      const line = (words) => me.page.locator(".view-line").filter({ hasText: words }).first();
      await line("the server 9.9.9").waitFor();
      check("so does the doctor", true);
      await me.tidy();
      await startsWith(`${bench.home}/nothing`, me.chat.locator(".offline").filter({ hasText: "nothing" }));
      await me.command("Pillion: Doctor");
      await line("cannot be run").waitFor();
      check("the doctor says that nothing is there", true);
      await me.tidy();
      bench.usesServer(binary);
      await insist(
        "the server runs again",
        () => me.command("Pillion: Restart Server"),
        () => serverOf(bench, binary),
      );
    },
  },
  {
    name: "the log and the trace are in channels of their own",
    steps: turn("leave a trace", [text("Left.")]),
    async run({ me, binary }) {
      const line = (words) => me.page.locator(".panel .view-line").filter({ hasText: words }).first();
      await me.command("Pillion: Show Log");
      await line(`server: ${binary}`).waitFor();
      check("the log names the server", true);
      await me.command("Pillion: Show Trace");
      const advice = me.page.locator(".notification-toast").filter({ hasText: "Pillion Trace" });
      await advice.getByRole("button", { name: "Choose the Level" }).click();
      await me.choose("Pillion Trace");
      await me.choose("Trace");
      await me.say("leave a trace");
      await me.heard("Left.");
      await line("turn/start").waitFor();
      await me.screen("trace");
      check("the trace has the messages", true);
      await me.command("View: Hide Panel");
    },
  },
  {
    name: "the doctor says what is there",
    async run({ me, binary, project }) {
      const settings = `${project}/.pillion/config.toml`;
      mkdirSync(`${project}/.pillion`, { recursive: true });
      writeFileSync(settings, "unheardof = 1\n");
      try {
        await me.command("Pillion: Doctor");
        for (const words of [binary, "anthropic/fake", "unheardof"]) {
          await me.page.locator(".view-line").filter({ hasText: words }).first().waitFor();
        }
        await me.screen("doctor");
        check("it names the program, the model and what is wrong in the settings", true);
      } finally {
        rmSync(settings);
      }
    },
  },
];
