// A call that waits for the person's word.

import type { FromView } from "../src/messages";
import type { Approval, ApprovalDecision, ApprovalScope, Question } from "../src/protocol";
import { renderDiff } from "./diff";
import { h, iconButton, svg } from "./dom";
import { shortcut } from "./shortcut";

type Tell = (message: FromView) => void;

const SCOPES: { scope: ApprovalScope; label: string; title: string }[] = [
  { scope: "session", label: "This Session", title: "Until the session is closed" },
  { scope: "project", label: "This Project", title: "Kept for this project, in your own settings" },
  { scope: "user", label: "Everywhere", title: "Kept for all your projects" },
];

/** `session` names the one that it is of, if another is shown. */
export function approvalCard(approval: Approval, session: string | undefined, tell: Tell): HTMLElement {
  const { approvalId, title, risk, outside, rules, diff } = approval;
  const decide = (decision: ApprovalDecision) => tell({ type: "decide", approvalId, decision });
  const command = approval.command === undefined ? undefined : new Command(approval.command);
  const hunks = new Set(diff?.hunks.keys());

  const allow = (scope: ApprovalScope, chosenRules?: string[]) => {
    const isPart = diff !== undefined && hunks.size < diff.hunks.length;
    if (isPart && hunks.size === 0) {
      decide({ type: "deny", reason: "None of the changes is wanted." });
      return;
    }
    decide({
      type: "allow",
      scope,
      ...(isPart ? { hunks: [...hunks].sort((left, right) => left - right) } : {}),
      ...(command?.isChanged ? { input: { ...(approval.input as object), command: command.text } } : {}),
      ...(chosenRules === undefined ? {} : { rules: chosenRules }),
    });
  };
  const reason = h("input", {
    type: "text",
    placeholder: "Or say what to do instead, and press Enter",
    "aria-label": "Deny, and say why",
  });
  const deny = () =>
    decide(reason.value.trim() === "" ? { type: "deny" } : { type: "deny", reason: reason.value.trim() });
  reason.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      deny();
    }
  });

  const remember = rules.length === 0 ? undefined : rememberPanel(rules, allow);
  const buttons = h(
    "div",
    { class: "buttons" },
    button("Allow", "primary", `Allow this once (${shortcut("Enter")})`, () => allow("once")),
    remember === undefined
      ? undefined
      : button("Always…", "", "Allow this and what is like it", () => remember.classList.toggle("shown")),
    button("Deny", "", `Do not do this (${shortcut("Backspace")})`, deny),
    h("span", { class: "gap" }),
    diff === undefined
      ? undefined
      : iconButton("diff", `Show it in the diff editor (${shortcut("D")})`, () =>
          tell({ type: "showDiff", approvalId }),
        ),
    iconButton("stop", "Deny, and stop the turn", () => decide({ type: "cancelTurn" })),
  );
  const openFile = (path: string, line: number) => tell({ type: "openFile", path, line });
  const choose = (index: number) => {
    const box = h("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) {
        hunks.add(index);
      } else {
        hunks.delete(index);
      }
    });
    return h("label", { class: "choose" }, box, `Change ${index + 1} of ${diff?.hunks.length}`);
  };
  // The command itself stands below.
  const heading = command !== undefined && title.includes(approval.command ?? "") ? "Run this command?" : title;
  const hasChoice = (diff?.hunks.length ?? 0) > 1;
  const element = h(
    "section",
    { class: "card approval", role: "alertdialog", "aria-label": `Approval: ${title}` },
    h("h2", {}, svg("mode"), h("span", { title }, heading), ...askers(approval, session)),
    risk === undefined ? undefined : h("p", { class: "risk" }, svg("warning"), h("span", {}, risk)),
    outside ? h("p", { class: "risk" }, svg("warning"), h("span", {}, "Outside of the workspace.")) : undefined,
    command?.element,
    diff === undefined ? undefined : renderDiff(diff, openFile, hasChoice ? choose : undefined),
    command === undefined && diff === undefined ? input(approval.input) : undefined,
    buttons,
    remember,
    reason,
  );
  return element;
}

/** Who asks, if it is not the agent of the session that is shown. */
export function askers({ agent }: Approval | Question, session: string | undefined): HTMLElement[] {
  const named = [
    { icon: "history" as const, name: session },
    { icon: "agent" as const, name: agent?.name },
  ];
  return named.flatMap(({ icon, name }) =>
    name === undefined ? [] : [h("small", { class: "asker", title: name }, svg(icon), name)],
  );
}

function button(label: string, kind: string, title: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: kind, title, onclick }, label);
}

/** What the tool would be given, where there is nothing better to show. */
function input(value: unknown): HTMLElement | undefined {
  const text = JSON.stringify(value, undefined, 2);
  return text === undefined || text === "{}" ? undefined : h("pre", { class: "command", tabindex: "0" }, text);
}

/** A command line, which can be changed before it runs. */
class Command {
  private readonly shown: HTMLElement;
  private readonly field: HTMLTextAreaElement;
  readonly element: HTMLElement;

  constructor(private readonly command: string) {
    this.shown = h("pre", { class: "command", tabindex: "0" }, command);
    const rows = Math.min(8, command.split("\n").length);
    this.field = h("textarea", { class: "command", rows, spellcheck: "false", "aria-label": "Command", hidden: true });
    this.field.value = command;
    const edit = iconButton("edit", "Change the command", () => {
      this.shown.hidden = true;
      edit.hidden = true;
      this.field.hidden = false;
      this.field.focus();
    });
    this.element = h("div", { class: "command-box" }, this.shown, this.field, edit);
  }

  get text(): string {
    return this.field.value;
  }

  get isChanged(): boolean {
    return this.text !== this.command;
  }
}

/** The rules that would be kept, to be looked at and changed before. */
function rememberPanel(rules: string[], allow: (scope: ApprovalScope, rules: string[]) => void): HTMLElement {
  const fields = rules.map((rule, index) => {
    const field = h("input", {
      type: "text",
      spellcheck: "false",
      "aria-label": `Rule ${index + 1} of ${rules.length}`,
    });
    field.value = rule;
    return field;
  });
  const chosen = () => fields.map(({ value }) => value.trim()).filter((rule) => rule !== "");
  const buttons = SCOPES.map(({ scope, label, title }) => button(label, "", title, () => allow(scope, chosen())));
  return h(
    "div",
    { class: "remember" },
    h("p", {}, "Allow this, and from now on all that these rules match:"),
    ...fields,
    h("div", { class: "buttons" }, ...buttons),
  );
}
