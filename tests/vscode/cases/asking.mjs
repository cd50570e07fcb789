// Saying something, and what comes back.

import { execFileSync } from "node:child_process";
import { check, eventually, wait } from "../lib/check.mjs";
import { bash, text, turn } from "../lib/model.mjs";

/** No other suite on this machine has this one. */
const SLEEP = `sleep ${100_000 + process.pid}`;

export default [
  {
    name: "a question and its answer",
    steps: turn("what is this", [text("It is **a test**, and `code` in it.", { piece: 4, every_ms: 5 })]),
    async run({ me }) {
      await me.say("what is this");
      await me.heard("a test");
      await me.chat.locator("strong").filter({ hasText: "a test" }).waitFor();
      check("the answer is Markdown", true);
      await me.screen("answer");
    },
  },
  {
    name: "stop means stop",
    steps: [
      ...turn("wait long", [text("I wait."), bash(`echo begun; ${SLEEP}`)]),
      ...turn("and after that", [text("It goes on.")]),
    ],
    async run({ me }) {
      await me.say("wait long");
      await me.asked();
      await me.key("Control+Alt+Enter");
      await me.settled();
      await wait("the command runs", isAsleep);
      await me.command("Pillion: Stop");
      await eventually("its process is gone", () => !isAsleep());
      await me.heard("Stopped.");
      await me.say("and after that");
      await me.heard("It goes on.");
    },
  },
];

function isAsleep() {
  return execFileSync("ps", ["-eo", "args="], { encoding: "utf8" }).split("\n").includes(SLEEP);
}
