// Asking from where the person is.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { AGAIN_MS, check, equal, eventually, insist } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";

const git = (project, ...words) =>
  execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", ...words], { cwd: project });

export default [
  {
    name: "a problem is fixed from its light bulb",
    files: { "wrong.json": '{\n  "a": 1,\n  "b": oops\n}\n' },
    steps: turn("Fix this problem", [text("I see it.")]),
    async run({ me, model }) {
      await me.open("wrong.json");
      await me.editor("wrong.json").locator(".squiggly-error").first().waitFor();
      await me.focus("wrong.json", 3);
      await me.page.locator(".view-line").filter({ hasText: "oops" }).getByText("oops").click();
      const action = me.page.locator(".action-widget .monaco-list-row").filter({ hasText: "Fix with Pillion" });
      await insist(
        "it is offered",
        () => me.key("Escape", "Control+."),
        () => action.isVisible(),
      );
      await me.screen("light-bulb");
      await action.click();
      await me.heard("I see it.");
      check("the model was sent the problem", await model.wasSent("wrong.json"));
      check("and the line", await model.wasSent("oops"));
    },
  },
  {
    name: "a prompt between the lines",
    files: { "here.txt": "one\ntwo\nthree\n" },
    steps: turn("shout it", [text("Shouted.")]),
    async run({ me, model }) {
      await me.open("here.txt");
      await me.focus("here.txt", 2);
      await me.key("Control+Alt+I");
      const box = me.page.locator(".review-widget");
      await box.locator(".monaco-editor.focused").waitFor();
      await me.type("shout it");
      await box.getByText("shout it").waitFor();
      // The key counts once the field is known not to be empty.
      await box.getByRole("button", { name: "Send" }).waitFor();
      await me.screen("edit-here");
      await me.key("Control+Enter");
      await me.heard("Shouted.");
      await box.waitFor({ state: "detached" });
      check("the model was sent the line", await model.wasSent("two"));
    },
  },
  {
    name: "a file of the explorer comes into the prompt",
    files: { "explored.txt": "found by looking around\n" },
    steps: turn("what is in it", [text("A word.")]),
    async run({ me, model }) {
      await me.command("View: Show Explorer");
      const file = me.page.locator(".explorer-folders-view").getByRole("treeitem", { name: "explored.txt" });
      const entry = me.page
        .locator(".monaco-menu .action-item")
        .filter({ hasText: "Add to" })
        .filter({ hasText: "Prompt" });
      await insist(
        "it is offered",
        () => file.click({ button: "right", timeout: AGAIN_MS }),
        () => entry.isVisible(),
      );
      await me.screen("explorer");
      await entry.click();
      await me.chat.getByRole("button", { name: "Remove explored.txt" }).waitFor();
      await me.say("what is in it");
      await me.heard("A word.");
      check("the model was sent the file", await model.wasSent("found by looking around"));
    },
  },
  {
    name: "a test that fails is to be fixed",
    files: { "sum.txt": "begin\ntwo and two is five\nend\n" },
    steps: turn("fails. Find the cause", [text("Four it is.")]),
    async run({ me, model }) {
      await me.command("Test: Run All Tests");
      await me.command("Test Results: Focus on Test Results View");
      const results = me.page.locator(".test-output-peek-tree");
      const failure = results.getByRole("treeitem").filter({ hasText: "the sum is wrong" });
      await insist(
        "what failed is listed",
        () => results.hover(),
        () => failure.first().isVisible(),
      );
      // It stands upon what the test says, which the click shows.
      const fix = me.page.locator(".part.panel").getByText("Fix Failing Test");
      await insist(
        "fixing it is offered",
        () => failure.first().click(),
        () => fix.first().isVisible(),
      );
      await me.screen("test-results");
      await fix.first().click();
      await me.heard("Four it is.");
      check("the model was sent what failed", await model.wasSent("the sum is wrong"));
      check("what was expected", await model.wasSent("Expected:\\nfour"));
      check("what there was", await model.wasSent("Actual:\\nfive"));
      check("and the place", await model.wasSent("two and two is five"));
      await me.command("View: Hide Panel");
    },
  },
  {
    name: "the selection is explained",
    files: { "explain.txt": "one\ntwo\nthree\n" },
    steps: turn("Explain what this does", [text("It counts.")]),
    async run({ me, model }) {
      await me.open("explain.txt");
      await me.key("Control+A");
      await me.page.locator(".statusbar-item").filter({ hasText: "selected)" }).waitFor();
      await me.command("Pillion: Explain Selection");
      await me.heard("It counts.");
      check("the model was sent the selection", await model.wasSent("three"));
    },
  },
  {
    name: "what is selected in the terminal comes into the prompt",
    steps: turn("what does it say", [text("It says so.")]),
    async run({ me, model }) {
      await me.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await me.command("Terminal: Create New Terminal");
      await me.page.locator(".terminal-wrapper.active .xterm-screen").waitFor();
      await me.page.locator(".terminal-wrapper.active").click();
      await me.page.locator(".terminal-wrapper.active .xterm.focus").waitFor();
      await me.type("echo in-the-terminal; touch typed.txt\n");
      await eventually("the terminal has run it", () => existsSync(`${me.project}/typed.txt`));
      await me.command("Terminal: Select All");
      await me.command("Pillion: Add Terminal Selection to Prompt");
      await me.chat.getByRole("button", { name: "Remove bash" }).waitFor();
      await me.say("what does it say");
      await me.heard("It says so.");
      check("the model was sent it", await model.wasSent("in-the-terminal"));
      await me.command("Terminal: Kill the Active Terminal Instance");
    },
  },
  {
    name: "the message of a commit",
    prepare(project) {
      git(project, "init", "-q");
      git(project, "commit", "-q", "--allow-empty", "-m", "feat: begin");
      git(project, "add", "message.txt");
    },
    files: { "message.txt": "something new\n" },
    steps: turn("Write the message for this commit", [text("```\nfeat: something new\n```")]),
    async run({ me, model }) {
      const input = me.page.locator(".scm-editor");
      const icon = me.page.locator('.activitybar a.action-label[aria-label^="Source Control"]');
      // What the extension for Git is busy with is drawn above the icon.
      await insist(
        "the view of what changed",
        () => icon.click({ force: true, timeout: AGAIN_MS }),
        () => input.isVisible(),
      );
      await me.command("Pillion: Write Commit Message");
      const message = async () => (await input.textContent()).replaceAll("\u00a0", " ");
      await eventually("it is written", async () => (await message()).includes("feat: something new"));
      check("the model was sent what is staged", await model.wasSent("+something new"));
      await me.screen("commit-message");
      await me.command("Pillion: Open Chat");
    },
  },
  {
    name: "the agent is followed while that is switched on",
    files: { "followed.txt": "one\ntwo\nthree\n", "alone.txt": "alone\n", "last.txt": "last\n" },
    steps: [
      ...turn("look there", [read("followed.txt")], [text("Looked.")]),
      ...turn("look elsewhere", [read("alone.txt")], [text("Looked again.")]),
    ],
    async run({ me }) {
      await me.command("Pillion: Follow the Agent");
      const toggle = me.page.getByRole("button", { name: "Stop Following the Agent" });
      await toggle.waitFor();
      await me.say("look there");
      await me.tab("followed.txt").waitFor();
      check("what it reads is shown", true);
      await me.heard("Looked.");
      await toggle.click();
      await toggle.waitFor({ state: "detached" });
      await me.say("look elsewhere");
      await me.heard("Looked again.");
      // Whatever was being opened is there when another file is.
      await me.open("last.txt");
      equal("and then no more", await me.tab("alone.txt").count(), 0);
    },
  },
  {
    name: "what is followed is shown beside the person, and their next key stays in their file",
    files: { "mine.txt": "mine\n", "theirs.txt": "theirs\n" },
    steps: turn("look beside", [{ gate: "typing" }, read("theirs.txt")], [text("Looked.")]),
    async run({ me, model }) {
      await me.open("mine.txt");
      await me.command("Pillion: Follow the Agent");
      await me.page.getByRole("button", { name: "Stop Following the Agent" }).waitFor();
      await me.say("look beside");
      await me.focus("mine.txt");
      await me.key("Control+Home");
      await me.type("still ");
      await model.release("typing");
      await me.editor("theirs.txt").waitFor();
      await me.heard("Looked.");
      await me.type("all ");
      await me.shows("all that was typed is in one file", "mine.txt", "still all mine\n");
      await me.shows("and none of it in the other", "theirs.txt", "theirs\n");
      await me.command("Pillion: Stop Following the Agent");
    },
  },
  {
    name: "problems are told of the text as it is, and of no file that nothing checks",
    files: { "fresh.json": '{\n  "a": 1\n}\n', "unchecked.txt": "one\n" },
    steps: turn(
      "break it",
      [read("fresh.json")],
      [edit("fresh.json", ['"a": 1', '"a": oops'])],
      [{ tool: "diagnostics", input: { paths: ["fresh.json", "unchecked.txt"] } }],
      [text("Broken.")],
    ),
    async run({ me, model }) {
      await me.open("unchecked.txt");
      await me.open("fresh.json");
      await me.say("break it");
      await me.asked();
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Broken.");
      check("the problem of the edit is told", await model.wasSent("Value expected"));
      check("and that of the other nothing is known", await model.wasSent("the editor knows nothing about it"));
    },
  },
  {
    name: "what is before the person",
    files: { "focus.txt": "one\ntwo\nthree\n", "beside.txt": "other\n" },
    steps: turn("what is this", [{ tool: "editor", input: {} }], [text("Looked.")]),
    async run({ me, model }) {
      await me.open("beside.txt");
      await me.open("focus.txt");
      await me.focus("focus.txt", 2);
      await me.key("Home", "Shift+End");
      await me.page.locator(".statusbar-item").filter({ hasText: "(3 selected)" }).waitFor();
      await me.say("what is this");
      await me.heard("Looked.");
      check("the active file", await model.wasSent("Active: focus.txt, the cursor at 2:4"));
      check("what is selected", await model.wasSent("Selected, from 2:1 to 2:4:\\ntwo"));
      check("what is visible", await model.wasSent("Visible: focus.txt (lines 1 to"));
      check("what is open", await model.wasSent("Open: beside.txt, focus.txt"));
    },
  },
];
