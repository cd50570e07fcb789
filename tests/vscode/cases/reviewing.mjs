// Looking at what was changed, keeping it, and taking it back.

import { becomes, check, equal, eventually, insist } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";

const lines = (count) => Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join("");
const changed = (count, ...places) =>
  places.reduce((all, place) => all.replace(`line ${place}\n`, `line ${place}, made\n`), lines(count));
const places = (...numbers) => numbers.map((number) => [`line ${number}\n`, `line ${number}, made\n`]);

async function allowed(me, prompt, ...files) {
  await me.say(prompt);
  for (const file of files) {
    const card = me.card.filter({ hasText: `Edit ${file}` });
    await card.getByRole("button", { name: "Allow", exact: true }).click();
    await card.waitFor({ state: "detached" });
  }
  await me.heard("Heard.");
  await me.settled();
}

const lens = (me, file, name) => me.editor(file).locator(".codelens-decoration a").filter({ hasText: name });
/** How many marks stand in the gutter. */
const marks = (me, file) =>
  me
    .editor(file)
    .locator(".margin *, .glyph-margin-widgets *")
    .evaluateAll((all) => all.filter((one) => getComputedStyle(one).backgroundImage.includes("changed.svg")).length);
/** What is open in an editor is changed there, and not saved. */
const saved = (me, what, ask) => insist(what, () => me.command("File: Save All Files"), ask);
const row = (me, name) => me.page.getByRole("treeitem").filter({ hasText: name });

export default [
  {
    name: "changed places are marked until they are seen, and each can be reverted",
    files: { "marks.txt": lines(12) },
    steps: turn("mark two", [read("marks.txt")], [edit("marks.txt", ...places(2, 9))], [text("Heard.")]),
    async run({ me }) {
      await me.open("marks.txt");
      await allowed(me, "mark two", "marks.txt");
      await lens(me, "marks.txt", "Revert").nth(1).waitFor();
      await eventually("both are marked in the gutter", async () => (await marks(me, "marks.txt")) === 2);
      await me.screen("marks");
      await me.focus("marks.txt", 12);
      await me.key("End");
      await me.type(" and what I typed since");
      const expected = changed(12, 9).replace("line 12\n", "line 12 and what I typed since\n");
      await insist(
        "the first is taken back, beside what was typed",
        () => lens(me, "marks.txt", "Revert").first().click(),
        async () => (await me.text("marks.txt")) === expected,
      );
      await me.focus("marks.txt", 9);
      await becomes("the other is seen", () => lens(me, "marks.txt", "Keep").count(), 0);
      await becomes("and no longer marked", () => marks(me, "marks.txt"), 0);
      equal("and stays", await me.text("marks.txt"), expected);
    },
  },
  {
    name: "what I changed since is never taken back",
    files: { "since.txt": lines(6) },
    steps: turn("then I", [read("since.txt")], [edit("since.txt", ...places(3))], [text("Heard.")]),
    async run({ me }) {
      await me.open("since.txt");
      await allowed(me, "then I", "since.txt");
      await lens(me, "since.txt", "Revert").waitFor();
      await me.focus("since.txt", 3);
      await me.key("End");
      await me.type(" better");
      await me.command("Pillion: Revert Changes of This File");
      await me.page.locator(".notification-toast").filter({ hasText: "stay" }).waitFor();
      await me.shows("it stays, and a word says why", "since.txt", changed(6, 3).replace("made", "made better"));
    },
  },
  {
    name: "a turn is reviewed in one editor, and taken back file by file or whole",
    files: { "turn-a.txt": lines(8), "turn-b.txt": lines(8), "turn-c.txt": lines(8) },
    steps: turn(
      "three files",
      [read("turn-a.txt"), read("turn-b.txt"), read("turn-c.txt")],
      [edit("turn-a.txt", ...places(2))],
      [edit("turn-b.txt", ...places(3, 7))],
      [edit("turn-c.txt", ...places(4))],
      [text("Heard.")],
    ),
    async run({ me }) {
      await allowed(me, "three files", "turn-a.txt", "turn-b.txt", "turn-c.txt");
      await row(me, "turn-b.txt").waitFor();
      await me.command("Pillion: Review Changes of the Last Turn");
      await me.page.locator(".multiDiffEntry").nth(2).waitFor();
      await me.page.getByText("line 4, made").first().waitFor();
      await me.screen("review");
      await row(me, "turn-a.txt").hover();
      await row(me, "turn-a.txt")
        .getByRole("button", { name: /^Revert/ })
        .click();
      await row(me, "turn-a.txt").waitFor({ state: "detached" });
      await saved(me, "one file is taken back", () => me.onDisk("turn-a.txt") === lines(8));
      equal("the others stand", me.onDisk("turn-b.txt"), changed(8, 3, 7));
      await me.command("Pillion: Revert All Changes of the Last Turn...");
      await me.page.locator(".monaco-dialog-box").getByRole("button", { name: "Revert" }).click();
      await row(me, "turn-b.txt").waitFor({ state: "detached" });
      const isBack = (file) => me.onDisk(file) === lines(8);
      await saved(me, "all are taken back", () => isBack("turn-b.txt") && isBack("turn-c.txt"));
    },
  },
  {
    name: "a file that was deleted is reviewed",
    files: { "gone.txt": lines(3) },
    steps: turn("delete it", [read("gone.txt")], [{ tool: "delete", input: { path: "gone.txt" } }], [text("Heard.")]),
    async run({ me }) {
      await me.say("delete it");
      await me.asked();
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard.");
      await row(me, "gone.txt").waitFor();
      await me.command("Pillion: Review Changes of the Last Turn");
      await me.page.locator(".multiDiffEntry").getByText("line 3").first().waitFor();
      check("what was in it is shown", true);
    },
  },
  {
    name: "what a sub-agent's sub-agent changed is marked too",
    files: { "deep.txt": lines(3) },
    steps: [
      ...turn("send one", [{ tool: "sub_agent", input: { task: "send another" } }], [text("Heard.")]),
      ...turn("send another", [{ tool: "sub_agent", input: { task: "change it" } }], [text("The other did.")]),
      ...turn("change it", [read("deep.txt")], [edit("deep.txt", ...places(2))], [text("I did.")]),
    ],
    async run({ me }) {
      await me.open("deep.txt");
      await allowed(me, "send one", "deep.txt");
      await lens(me, "deep.txt", "Revert").waitFor();
      check("it is marked", true);
    },
  },
];
