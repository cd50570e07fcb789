// Every answer to an approval, wherever it is given.

import { readFileSync } from "node:fs";
import { AGAIN_MS, check, equal, eventually, insist, wait } from "../lib/check.mjs";
import { bash, edit, read, text, turn } from "../lib/model.mjs";

const lines = (count) => Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join("");
const readAndEdit = (file, prompt, ...changes) =>
  turn(prompt, [read(file)], [edit(file, ...changes)], [text("Heard.")]);
const bothEnds = (file, prompt) =>
  readAndEdit(file, prompt, ["line 2\n", "line 2, made\n"], ["line 13\n", "line 13, made\n"]);

/** The diff editor that shows what waits. */
const diff = (me) => me.page.locator(".monaco-diff-editor");
const right = (me) => diff(me).locator(".modified .view-lines");

async function showDiff(me) {
  await me.key("Control+Alt+D");
  await diff(me).waitFor();
  await right(me).getByText("made").first().waitFor();
}

/** Has the cursor in the change of the right side that has this text. */
async function enter(me, text) {
  const isIn = () => diff(me).locator(".modified .monaco-editor.focused, .modified.focused").count();
  await insist(`the cursor is in "${text}"`, () => right(me).getByText(text).click(), isIn);
}

/** What stands beside the lines of the right side, which is no text of the page's. */
const labels = (me) =>
  right(me)
    .locator("span")
    .evaluateAll((spans) => spans.map((span) => getComputedStyle(span, "::after").content).join(" "));
const labelled = (me, text) => eventually(`it says "${text}"`, async () => (await labels(me)).includes(text));

async function button(me, name) {
  await me.page.locator(".editor-actions").getByRole("button", { name }).first().click();
}

export default [
  {
    name: "an edit is allowed by its key, and lands unsaved as one step to undo",
    files: { "allow.txt": "one\ntwo\nthree\n" },
    steps: readAndEdit("allow.txt", "make two loud", ["two", "TWO"]),
    async run({ me }) {
      await me.open("allow.txt");
      await me.key("Control+Home");
      await me.type("typed, not saved ");
      await me.say("make two loud");
      await me.asked();
      await me.statusBar.waitFor();
      await me.screen("asked");
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard.");
      await me.shows("the edit is beside what was typed", "allow.txt", "typed, not saved one\nTWO\nthree\n");
      equal("nothing was saved", me.onDisk("allow.txt"), "one\ntwo\nthree\n");
      await me.focus("allow.txt");
      await me.key("Control+Z");
      await me.shows("one undo takes it back, and nothing else", "allow.txt", "typed, not saved one\ntwo\nthree\n");
    },
  },
  {
    name: "an edit is denied from its notification, and from the palette with a reason",
    files: { "deny.txt": "one\ntwo\n" },
    steps: [
      ...readAndEdit("deny.txt", "first try", ["two", "TWO"]),
      ...readAndEdit("deny.txt", "second try", ["two", "TWO"]),
    ],
    async run({ me, model }) {
      await me.say("first try");
      await me.asked();
      await me.notice.getByRole("link", { name: "Deny" }).click();
      await me.settled();
      await me.heard("Heard.");
      await me.say("second try");
      await me.asked();
      await me.command("Pillion: Deny With a Reason...");
      await me.page.locator(".quick-input-title").filter({ hasText: "deny with a reason" }).waitFor();
      await me.field.fill("keep it lower case");
      await me.field.press("Enter");
      await me.settled();
      await eventually("the model reads the reason", () => model.wasSent("keep it lower case"));
      equal("nothing was written", me.onDisk("deny.txt"), "one\ntwo\n");
    },
  },
  {
    name: "one change of two is left out in the diff editor, and the other allowed from its title",
    files: { "hunks.txt": lines(14) },
    steps: bothEnds("hunks.txt", "both ends"),
    async run({ me }) {
      await me.say("both ends");
      await me.asked();
      await showDiff(me);
      await labelled(me, "✓ change 2 of 2");
      await me.screen("diff");
      await enter(me, "line 2, made");
      await me.key("Control+Alt+N");
      await labelled(me, "✗ change 1 of 2 is left out");
      await me.key("Control+Alt+Y");
      await labelled(me, "✓ change 1 of 2");
      // The arrow that VS Code itself has between the sides, of whichever change.
      // It is made anew whenever the diff is, and a click on the old one does nothing.
      const arrow = diff(me).getByRole("button", { name: "Revert Block" }).first();
      await insist(
        "the arrow leaves one out",
        () => arrow.click({ timeout: AGAIN_MS }).catch(() => {}),
        async () => (await labels(me)).includes("is left out"),
      );
      await me.screen("diff-left-out");
      const made = (await labels(me)).includes("✗ change 1 of 2") ? 13 : 2;
      await button(me, /^Allow/);
      await me.settled();
      await diff(me).waitFor({ state: "detached" });
      await me.heard("Heard.");
      const whole = lines(14).replace(`line ${made}\n`, `line ${made}, made\n`);
      await eventually("only the other was made", () => me.onDisk("hunks.txt") === whole);
    },
  },
  {
    name: "what is written over the proposal is what is done",
    files: { "over.txt": lines(5) },
    steps: readAndEdit("over.txt", "better words", ["line 2\n", "line 2, made\n"]),
    async run({ me }) {
      await me.say("better words");
      await me.asked();
      await showDiff(me);
      await enter(me, "line 2, made");
      await me.key("End");
      await me.type(" by hand");
      await right(me).getByText("line 2, made by hand").waitFor();
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard.");
      const whole = lines(5).replace("line 2\n", "line 2, made by hand\n");
      await eventually("the file has it", () => me.onDisk("over.txt") === whole);
      await diff(me).waitFor({ state: "detached" });
    },
  },
  {
    name: "all is denied from the title of the diff editor",
    files: { "none.txt": lines(14) },
    steps: bothEnds("none.txt", "no ends"),
    async run({ me }) {
      await me.say("no ends");
      await me.asked();
      await showDiff(me);
      await button(me, /^Deny/);
      await me.settled();
      await diff(me).waitFor({ state: "detached" });
      await me.heard("Heard.");
      equal("the file is as it was", me.onDisk("none.txt"), lines(14));
    },
  },
  {
    name: "typing goes on while an approval is open",
    files: { "typing.txt": lines(6) },
    steps: readAndEdit("typing.txt", "while I type", ["line 5\n", "line 5, made\n"]),
    async run({ me }) {
      await me.open("typing.txt");
      await me.say("while I type");
      await me.asked();
      await me.focus("typing.txt", 2);
      await me.key("End");
      await me.type(" and what I typed meanwhile");
      await me.key("Enter");
      await me.type("on two lines");
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard.");
      const expected = lines(6)
        .replace("line 2\n", "line 2 and what I typed meanwhile\non two lines\n")
        .replace("line 5\n", "line 5, made\n");
      await me.shows("both are there", "typing.txt", expected);
    },
  },
  {
    name: "always: the rule is shown, changed and stored",
    steps: [
      ...turn("count", [bash("echo counting one")], [text("Counted.")]),
      ...turn("again", [bash("echo counting two")], [text("Counted twice.")]),
    ],
    async run({ me, bench }) {
      await me.say("count");
      await me.asked();
      await me.key("Control+Alt+Shift+Enter");
      await me.choose("In all projects");
      await wait("the rule is shown", async () => (await me.field.inputValue()).startsWith("bash(echo"));
      await me.screen("always");
      await me.field.fill("bash(echo counting two)");
      await me.field.press("Enter");
      await me.settled();
      await me.heard("Counted.");
      await me.say("again");
      await me.heard("Counted twice.");
      check("it did not ask again", (await me.notice.count()) === 0);
      const stored = readFileSync(`${bench.home}/.config/pillion/rules.toml`, "utf8");
      check("the rule is stored as it was changed", stored.includes('"bash(echo counting two)"'), stored);
    },
  },
  {
    name: "stopping the turn closes what asks, everywhere",
    files: { "stopped.txt": lines(14) },
    steps: bothEnds("stopped.txt", "never mind"),
    async run({ me }) {
      await me.say("never mind");
      await me.asked();
      await showDiff(me);
      await me.command("Pillion: Stop");
      await me.settled();
      await diff(me).waitFor({ state: "detached" });
      check("the notification, the card, the count and the diff editor are gone", true);
      await me.heard("Stopped.");
      equal("nothing was written", me.onDisk("stopped.txt"), lines(14));
    },
  },
];
