// Whose answer an answer is, with several sessions and with a server that crashes.

import { existsSync, readFileSync } from "node:fs";
import { check, equal, eventually, insist } from "../lib/check.mjs";
import { bash, edit, read, text, turn } from "../lib/model.mjs";
import { crash } from "../lib/server.mjs";

const ask = (question) => ({ tool: "ask", input: { question } });
const diff = (me) => me.page.locator(".monaco-diff-editor");
const right = (me) => diff(me).locator(".modified .view-lines");
const lines = (count) => Array.from({ length: count }, (_, index) => `line ${index + 1}\n`).join("");
const title = (me, name) => me.page.locator(".editor-actions").getByRole("button", { name }).first();

/** The lines of the right side. */
async function proposed(me) {
  const all = await right(me).locator(".view-line").allTextContents();
  return all.map((line) => line.replaceAll("\u00a0", " "));
}

export default [
  {
    name: "a diff's title answers what the diff shows, though another session asked before",
    files: { "second.txt": "one\ntwo\n" },
    steps: [
      ...turn("the first session", [bash("echo made >first-made.txt")], [text("First done.")]),
      ...turn("the second session", [read("second.txt")], [edit("second.txt", ["two", "TWO"])], [text("Second done.")]),
    ],
    async run({ me, bench, binary }) {
      await me.say("the first session");
      await me.asked();
      await me.begin();
      await me.say("the second session");
      const first = me.card.filter({ hasText: "the first session" });
      const second = me.card.filter({ hasText: "second.txt" });
      await second.getByRole("button", { name: /^Show it in the diff editor/ }).click();
      await right(me).getByText("TWO").waitFor();
      equal("a card names another session, and not the own", await first.count(), 1);
      await me.screen("two-sessions");
      await title(me, /^Allow/).click();
      await me.heard("Second done.");
      await eventually("the second's edit is made", () => me.onDisk("second.txt") === "one\nTWO\n");
      equal("the first still asks", await first.count(), 1);
      await crash(bench, binary);
      // What asked before the crash is taken away and comes again: the click counts from then on.
      await insist(
        "the first is allowed",
        () => first.getByRole("button", { name: "Allow", exact: true }).click(),
        () => existsSync(`${me.project}/first-made.txt`),
      );
      check("the first goes on behind the other, over a crash", true);
      await me.settled();
    },
  },
  {
    name: "a question goes with the server that asked it, and the next is answered at once",
    steps: [
      ...turn("ask me", [ask("Which colour?")], [text("Never heard.")]),
      ...turn("once more", [ask("Which size?")], [text("Heard.")]),
    ],
    async run({ me, bench, binary, model }) {
      await me.say("ask me");
      const words = me.chat.getByRole("textbox", { name: "Answer in words" });
      await words.waitFor();
      await crash(bench, binary);
      await me.turn.locator(".foot").last().waitFor();
      await words.waitFor({ state: "detached" });
      await me.say("once more");
      await words.fill("small");
      await words.press("Enter");
      await me.heard("Heard.");
      check("the model read the answer", await model.wasSent("small"));
    },
  },
  {
    name: "what asks where the chat is not seen goes with its answer",
    steps: turn("ask me there", [{ gate: "chat-hidden" }, ask("Which shape?")], [text("Never heard.")]),
    async run({ me, model }) {
      await me.say("ask me there");
      await me.command("Explorer: Focus on Folders View");
      await me.prompt.waitFor({ state: "hidden" });
      await model.release("chat-hidden");
      const notice = me.notice.filter({ hasText: "Which shape?" });
      await notice.waitFor();
      await me.command("Pillion: Stop");
      await notice.waitFor({ state: "detached" });
      // One that only hides itself is still kept there.
      await me.command("Notifications: Show Notifications");
      const kept = me.page.locator(".notifications-center.visible");
      await kept.waitFor();
      equal("the notification went with the turn", await kept.getByText("Which shape?").count(), 0);
      await me.command("Notifications: Hide Notifications");
      await me.command("Pillion: Open Chat");
    },
  },
  {
    name: "a box that asks for a reason goes with the approval",
    steps: turn("may I", [bash("echo may I")], [text("Never heard.")]),
    async run({ me }) {
      await me.say("may I");
      await me.asked();
      await me.command("Pillion: Deny With a Reason...");
      const box = me.page.locator(".quick-input-widget").filter({ hasText: "deny with a reason" });
      await box.waitFor();
      await me.key("Control+Alt+C");
      await me.settled();
      await box.waitFor({ state: "hidden" });
      check("it is closed", true);
    },
  },
  {
    name: "a proposal stands where its lines stand by now, and is none where they are gone",
    files: { "above.txt": lines(12), "inside.txt": lines(12) },
    steps: [
      ...turn(
        "above",
        [read("above.txt")],
        [edit("above.txt", ["line 8\n", "line 8, made\n"])],
        [text("Heard above.")],
      ),
      ...turn(
        "inside",
        [read("inside.txt")],
        [edit("inside.txt", ["line 8\n", "line 8, made\n"])],
        [text("Heard inside.")],
      ),
    ],
    async run({ me }) {
      await me.open("above.txt");
      await me.say("above");
      await me.asked();
      await me.focus("above.txt");
      await me.key("Control+Home");
      await me.type("typed above");
      await me.key("Enter");
      await me.key("Control+Alt+D");
      await right(me).getByText("made").waitFor();
      const shown = ["typed above", ...lines(12).replace("line 8\n", "line 8, made\n").split("\n")].join("\n");
      await eventually("the right side has what was typed, and each line once", async () => {
        const now = await proposed(me);
        return shown.split("\n").every((line) => now.filter((one) => one === line).length === 1);
      });
      await right(me).getByText("line 8, made").click();
      await me.key("End");
      await me.type(" by hand");
      await right(me).getByText("line 8, made by hand").waitFor();
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard above.");
      await diff(me).waitFor({ state: "detached" });
      const whole = `typed above\n${lines(12).replace("line 8\n", "line 8, made by hand\n")}`;
      await me.shows("what was typed stays, and what was written over it is made", "above.txt", whole);

      await me.open("inside.txt");
      await me.say("inside");
      await me.asked();
      await me.focus("inside.txt", 8);
      await me.key("Home");
      await me.type("not ");
      await me.key("Control+Alt+D");
      await right(me).getByText("made").waitFor();
      await eventually("only the change is shown", async () => !(await proposed(me)).includes("line 1"));
      await right(me).getByText("line 8, made").click();
      await me.type("no");
      await eventually("and it cannot be written over", async () => (await proposed(me)).includes("line 8, made"));
      await title(me, /^Deny/).click();
      await me.settled();
      await me.heard("Heard inside.");
    },
  },
  {
    name: "no key is AltGr with a letter on Windows",
    run() {
      const manifest = new URL("../../../editors/vscode/package.json", import.meta.url);
      const { keybindings } = JSON.parse(readFileSync(manifest, "utf8")).contributes;
      const typed = keybindings.filter(({ key, win = key }) => /ctrl\+alt\+(?:shift\+)?.$/.test(win));
      equal("none types a letter", typed.map(({ command }) => command).join(" "), "");
    },
  },
];
