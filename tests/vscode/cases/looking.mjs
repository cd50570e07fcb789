// How it looks: for a person to look at, in each kind of theme and in a narrow window.

import { eventually } from "../lib/check.mjs";
import { edit, read, text, turn } from "../lib/model.mjs";

/** The themes by what they make of a web view's body. */
const THEMES = {
  "vscode-dark": "Dark Modern",
  "vscode-high-contrast": "Dark High Contrast",
  "vscode-high-contrast-light": "Light High Contrast",
  "vscode-light": "Light Modern",
};

async function wear(me, theme) {
  await me.command("Preferences: Color Theme");
  await me.choose(theme, "Modern");
}

export default [
  {
    name: "themes and sizes",
    files: { "look.py": 'def greet(name):\n    return "Hello, " + name\n\n\nprint(greet("Ada"))\n' },
    steps: turn(
      "louder please",
      [text("I read the file first, then I make it **louder**:\n\n```python\nprint('!')\n```\n"), read("look.py")],
      [edit("look.py", ["+ name", '+ name + "!"'])],
      [text("Heard.")],
    ),
    async run({ me }) {
      await me.open("look.py");
      await me.say("louder please");
      await me.asked();
      await me.key("Control+Alt+D");
      await me.page.locator(".monaco-diff-editor").waitFor();
      for (const [body, theme] of Object.entries(THEMES)) {
        await wear(me, theme);
        await me.chat.locator(`body.${body}`).waitFor();
        await me.screen(body);
      }
      await me.page.setViewportSize({ width: 640, height: 480 });
      await me.card
        .getByRole("button", { name: /^Allow/ })
        .first()
        .scrollIntoViewIfNeeded();
      await me.screen("narrow");
      const isInside = () => me.card.evaluate((card) => card.scrollWidth <= card.clientWidth + 1);
      await eventually("the card fits a narrow window", isInside);
      await me.page.setViewportSize({ width: 1280, height: 800 });
      await me.key("Control+Alt+Enter");
      await me.settled();
      await me.heard("Heard.");
    },
  },
];
