// What is there before anything was said.

import type { FromView, Status } from "../src/messages";
import { h, type IconName, svg } from "./dom";

/** Plays a script: for a look at how things go. */
const WITHOUT_KEY = "scripted/hello";

const IDEAS: { icon: IconName; text: string }[] = [
  { icon: "read", text: "Explain what this project does, and where to begin reading" },
  { icon: "warning", text: "Fix the problems that the editor shows" },
  { icon: "check", text: "Write tests for the file that is open" },
];

export class Welcome {
  private readonly setup = h("div", { class: "setup", hidden: true });
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
      this.setup,
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

  /** Whether it says that there is no model yet. */
  get asksForModel(): boolean {
    return !this.element.hidden && !this.setup.hidden;
  }

  show(status: Status): void {
    const chosen = status.models.find(({ id }) => id === status.model);
    this.setup.hidden = !status.connected || status.models.length === 0 || chosen?.ready === true;
    if (this.setup.hidden) {
      return;
    }
    const button = (label: string, message: FromView, kind = "") =>
      h("button", { type: "button", class: kind, onclick: () => this.tell(message) }, label);
    const setKey = button("Set a Key…", { type: "command", command: "setKey" }, "primary");
    const tryOut = button("Try Without a Key", { type: "configure", model: WITHOUT_KEY });
    this.setup.replaceChildren(
      h("h2", {}, "Which model is to work for you?"),
      h(
        "p",
        {},
        chosen?.hint ?? "Set the key of a provider, or choose a model below: those on your machine need no key.",
      ),
      h("div", { class: "buttons" }, setKey, tryOut),
      h("p", { class: "hint" }, "Without a key a script takes the model's part, and asks to make one file."),
    );
  }
}
