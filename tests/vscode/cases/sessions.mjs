// The sessions of before: found, gone on with, named, branched off, deleted.

import { becomes, check, eventually } from "../lib/check.mjs";
import { text, turn } from "../lib/model.mjs";

/** What the last request to the model has of these. */
async function remembers(model, ...words) {
  const last = JSON.stringify((await model.requests()).at(-1));
  return words.filter((word) => last.includes(word));
}

const rows = (me, title) => me.chat.locator(".sessions .session").filter({ hasText: title });

async function act(me, title, name) {
  await rows(me, title).first().hover();
  await rows(me, title).first().getByRole("button", { name }).click();
}

export default [
  {
    name: "sessions are found, gone on with, named, branched off and deleted",
    steps: [
      ...turn("about apples", [text("Apples are red.")]),
      ...turn("about pears", [text("Pears are green.")]),
      ...turn("go on", [text("They are sweet.")]),
      ...turn("on this branch", [text("They are sour.")]),
    ],
    async run({ me, model }) {
      await me.say("about apples");
      await me.heard("Apples are red.");
      await me.begin();
      await me.say("about pears");
      await me.heard("Pears are green.");

      await me.command("Pillion: Sessions...");
      await rows(me, "about pears").waitFor();
      await rows(me, "about apples").waitFor();
      await me.screen("sessions");
      await me.chat.getByRole("searchbox", { name: "Search the sessions" }).fill("apples");
      await rows(me, "about pears").waitFor({ state: "detached" });
      await becomes("one is found", () => me.chat.locator(".sessions .session").count(), 1);
      await rows(me, "about apples").locator("button.open").click();
      await me.heard("Apples are red.");
      await me.say("go on");
      await me.heard("They are sweet.");
      const past = ["about apples", "Apples are red.", "about pears"];
      await becomes("it goes on where it was", () => remembers(model, ...past), past.slice(0, 2));

      await me.command("Pillion: Sessions...");
      await act(me, "about apples", "Rename");
      const name = me.chat.getByRole("textbox", { name: "Name of the session" });
      await name.fill("Fruit of the tree");
      await name.press("Enter");
      await rows(me, "Fruit of the tree").waitFor();
      check("it has another name", true);

      await act(me, "about pears", "Delete");
      await rows(me, "about pears").locator("button.danger").click();
      await rows(me, "about pears").waitFor({ state: "detached" });
      check("one is deleted", true);

      await act(me, "Fruit of the tree", "Branch off");
      await me.heard("They are sweet.");
      await me.say("on this branch");
      await me.heard("They are sour.");
      const branch = [...past.slice(0, 2), "go on", "on this branch"];
      await becomes("the branch has the past", () => remembers(model, ...branch), branch);
      // From the end of a turn that is not the last.
      const first = me.chat.locator(".transcript .turn").first();
      await first.getByRole("button", { name: /^Branch off/ }).click();
      await becomes("another one begins there", () => me.chat.locator(".transcript .turn").count(), 1);
      await me.heard("Apples are red.");
      await me.command("Pillion: Sessions...");
      await eventually("all are there", async () => (await me.chat.locator(".sessions .session").count()) >= 3);
      await me.key("Escape");
      await me.prompt.waitFor();
    },
  },
];
