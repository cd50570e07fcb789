// What is there before anything was said.

import type { FromView, Status } from "../src/messages";
import { h, type IconName, svg } from "./dom";

const IDEAS: { icon: IconName; text: string }[] = [
  { icon: "read", text: "Explain what this project does, and where to begin reading" },
  { icon: "warning", text: "Fix the problems that the editor shows" },
  { icon: "check", text: "Write tests for the file that is open" },
];

export class Welcome {
  private readonly trouble = h("div", { class: "trouble", hidden: true });
  readonly element: HTMLElement;

  constructor(
    private readonly tell: (message: FromView) => void,
    suggest: (text: string) => void,
  ) {
    const ideas = IDEAS.map(({ icon, text }) =>
      h("button", { type: "button", class: "idea", onclick: () => suggest(text) }, svg(icon), h("span", {}, text)),
    );
    this.element = h(
      "div",
      { class: "welcome" },
      h("h1", {}, "Pillion"),
      h("p", {}, "Works on what your editor shows, saved or not. Nothing changes without your word."),
      this.trouble,
      ...ideas,
      h(
        "p",
        { class: "hint" },
        h("kbd", {}, "@"),
        " mentions files, symbols, problems. ",
        h("kbd", {}, "/"),
        " has commands. ",
        h("kbd", {}, "↑"),
        " brings back what you said.",
      ),
    );
  }

  show(status: Status): void {
    const chosen = status.models.find(({ id }) => id === status.model);
    const button = (label: string, command: "doctor" | "setKey" | "restartServer") =>
      h("button", { type: "button", onclick: () => this.tell({ type: "command", command }) }, label);
    const parts: (HTMLElement | string)[] = [];
    if (status.connected && status.models.length > 0 && (chosen === undefined || !chosen.ready)) {
      const hint = chosen?.hint ?? "No model is configured yet. Set a provider's key, or choose another model below.";
      parts.push(h("p", {}, hint), button("Set a Key…", "setKey"), button("Doctor", "doctor"));
    }
    this.trouble.hidden = parts.length === 0;
    this.trouble.replaceChildren(...parts);
  }
}
