// What the chat's prompt can do beside text: mentions, commands, images, another model, and words to a turn that runs.

import { becomes, check, eventually, insist } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";

/** One red pixel. */
const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";

const option = (me, label) => me.chat.getByRole("option").filter({ has: me.chat.getByText(label, { exact: true }) });

/** Types what begins a mention or a command, and takes what is offered for it. */
async function complete(me, typed, offered, chip) {
  const before = await me.prompt.inputValue();
  // Symbols that take long are not waited for: they come with the next letter.
  await insist(
    `${offered} is offered`,
    async () => {
      await me.prompt.fill(before);
      await me.prompt.pressSequentially(typed);
    },
    () => option(me, offered).first().isVisible(),
  );
  await option(me, offered).first().click();
  if (chip !== undefined) {
    await me.chat.getByRole("button", { name: `Remove ${chip}` }).waitFor();
  }
}

/** Chooses in one of the pickers below the prompt. */
async function pick(me, picker, offered) {
  await me.chat.getByRole("combobox", { name: `${picker}: ` }).click();
  await option(me, offered).first().click();
  await shows(me, picker, offered);
}

const shows = (me, picker, expected) => me.chat.getByRole("combobox", { name: `${picker}: ${expected}` }).waitFor();

export default [
  {
    name: "a file, a symbol, the selection and the problems are mentioned",
    files: {
      "mention.json": '{\n  "a": oops\n}\n',
      "mentioned.txt": "what the file says\n",
      "greet.txt": "one\n\ndef greet_person(name):\n",
    },
    steps: turn("look at", [text("I look.")]),
    async run({ me, model }) {
      await me.open("mention.json");
      await me.editor("mention.json").locator(".squiggly-error").first().waitFor();
      await me.focus("mention.json", 2);
      await me.key("Home", "Shift+End");
      await me.page.locator(".statusbar-item").filter({ hasText: "selected)" }).waitFor();
      await me.prompt.fill("look at ");
      await complete(me, "@mentio", "mentioned.txt", "mentioned.txt");
      await complete(me, "@greet_", "greet_person", "greet_person");
      await complete(me, "@sel", "selection", "mention.json:2");
      await complete(me, "@prob", "problems", "1 problem");
      await me.screen("mentions");
      await me.prompt.press("Enter");
      await me.heard("I look.");
      check("the model was sent the file", await model.wasSent("what the file says"));
      check("the symbol", await model.wasSent("def greet_person(name):"));
      check("the selection", await model.wasSent('lines=\\"2-2\\"'));
      check("and the problems", await model.wasSent("mention.json:2: error"));
    },
  },
  {
    name: "a command of the project, from the menu of commands",
    files: { ".pillion/commands/learn.md": "---\ndescription: Learns a text\n---\nLearn $ARGUMENTS by heart.\n" },
    steps: turn("by heart", [text("Learnt.")]),
    async run({ me, model }) {
      await complete(me, "/le", "/learn");
      await me.prompt.pressSequentially("the poem");
      await becomes("the command stands in the prompt", () => me.prompt.inputValue(), "/learn the poem");
      await me.prompt.press("Enter");
      await me.heard("Learnt.");
      check("the model was sent what it stands for", await model.wasSent("Learn the poem by heart."));
    },
  },
  {
    name: "an image is pasted",
    steps: turn("what is on it", [text("A red dot.")]),
    async run({ me, model }) {
      await me.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await me.prompt.click();
      await me.page.evaluate(async (png) => {
        const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
        const image = new Blob([bytes], { type: "image/png" });
        await navigator.clipboard.write([new ClipboardItem({ "image/png": image })]);
      }, PNG);
      await me.key("Control+V");
      await me.chat.getByRole("button", { name: "Remove image" }).waitFor();
      await me.say("what is on it");
      await me.heard("A red dot.");
      await me.turn.locator(".prompt img").waitFor();
      check("the model was sent the image", await model.wasSent("image/png"));
    },
  },
  {
    name: "the mode is chosen in the chat, and in the palette",
    files: { "mode.txt": "one\ntwo\n" },
    steps: turn("without asking", [read("mode.txt")], [edit("mode.txt", ["two", "TWO"])], [text("Done so.")]),
    async run({ me }) {
      await pick(me, "Mode", "Accept edits");
      await me.say("without asking");
      await me.heard("Done so.");
      await eventually("the edit is made", () => me.onDisk("mode.txt") === "one\nTWO\n");
      await me.command("Pillion: Choose Mode...");
      await me.choose("Ask");
      await shows(me, "Mode", "Ask");
      check("the chat shows the other mode", true);
    },
  },
  {
    name: "the model is chosen in the chat, and in the palette",
    steps: [...turn("who is there", [text("The second.")]), ...turn("and now", [text("The first.")])],
    async run({ me, model }) {
      const asked = async () => (await model.requests()).at(-1).path;
      await pick(me, "Model", "gpt-5-mini");
      await me.say("who is there");
      await me.heard("The second.");
      check("the other is asked", (await asked()).endsWith("/chat/completions"), await asked());
      await me.command("Pillion: Choose Model...");
      await me.choose("anthropic/fake");
      await shows(me, "Model", "fake");
      await me.say("and now");
      await me.heard("The first.");
      check("the first is asked again", (await asked()).endsWith("/messages"), await asked());
    },
  },
  {
    name: "words to the turn that runs, and words for after it",
    files: { "queue.txt": "one\n" },
    steps: [
      { prompt: "begin it", results: 0, say: [text("Begun."), { gate: "queued" }, read("queue.txt")] },
      { prompt: "then that", say: [text("That, too.")] },
      { contains: "and also this", say: [text("Both, then.")] },
    ],
    async run({ me, model }) {
      const queue = me.chat.locator(".queue .row");
      await me.say("begin it");
      await me.turn.getByText("Begun.").waitFor();
      for (const words of ["then that", "never mind"]) {
        await me.prompt.fill(words);
        await me.prompt.press("Enter");
        await queue.filter({ hasText: words }).waitFor();
      }
      await me.prompt.fill("and also this");
      await me.prompt.press("Control+Enter");
      await me.turn.locator(".steered").filter({ hasText: "and also this" }).waitFor();
      await me.screen("queue");
      await queue.filter({ hasText: "never mind" }).getByRole("button", { name: "Do not say it" }).click();
      await queue.filter({ hasText: "never mind" }).waitFor({ state: "detached" });
      await model.release("queued");
      await me.chat.getByText("Both, then.").waitFor();
      await me.heard("That, too.");
      await becomes("nothing waits any more", () => queue.count(), 0);
      check("what was taken back is not said", !(await model.wasSent("never mind")));
    },
  },
];
