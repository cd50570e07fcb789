// What somebody meets who has just begun: the doctor's words, and a program that is not there.

import { writeFileSync } from "node:fs";
import { check, eventually, wait } from "../lib/check.mjs";

export default [
  {
    name: "what the doctor says can be read and not changed, and closes without a question",
    async run({ me }) {
      await me.command("Pillion: Doctor");
      await me.tab("Pillion Doctor.md").waitFor();
      const lines = me.page.locator(".editor-instance .view-line");
      await lines.filter({ hasText: "The server runs" }).first().click();
      await me.type("x");
      check("nothing is to be saved", (await me.page.locator(".tabs-container .tab.dirty").count()) === 0);
      await me.command("View: Close All Editors");
      await wait("it is closed", async () => (await me.tab("Pillion Doctor.md").count()) === 0);
      check("nobody asks", !(await me.page.locator(".monaco-dialog-box").isVisible()));
    },
  },
  {
    name: "a program that is not there is said once, with one thing to do, and its path is enough",
    async run({ me, bench, binary }) {
      const setPath = (path) =>
        writeFileSync(`${bench.home}/../user/Machine/settings.json`, JSON.stringify({ "pillion.server.path": path }));
      const trouble = me.chat.locator(".offline");
      setPath("/nowhere/pillion");
      await eventually("the chat says so", async () => {
        await me.command("Pillion: Restart Server");
        await trouble.filter({ hasText: "not at /nowhere/pillion" }).waitFor({ timeout: 5000 });
        return true;
      });
      check("with one button", (await trouble.getByRole("button").allInnerTexts()).join() === "Set Its Path");
      await me.prompt.fill("hello");
      await me.prompt.press("Enter");
      await wait("the prompt is given back", async () => (await me.prompt.inputValue()) === "hello");
      check("and nothing says it again", !(await me.chat.locator(".failure").isVisible()));
      check("no notification either", (await me.page.locator(".notification-toast").count()) === 0);
      await me.screen("missing-program");
      await me.prompt.fill("");
      await trouble.getByRole("button").click();
      await me.field.fill(binary);
      await me.key("Enter");
      await trouble.waitFor({ state: "hidden" });
      check("it runs again by itself", true);
    },
  },
];
