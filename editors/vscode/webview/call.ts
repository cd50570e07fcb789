// A tool call: one row that opens.

import type { FromView } from "../src/messages";
import type { FileDiff, SessionEvent, ToolClass, ToolStatus } from "../src/protocol";
import { changeCount, renderDiff } from "./diff";
import { h, type IconName, svg } from "./dom";
import { duration } from "./format";
import type { Part } from "./frames";
import { Output } from "./output";
import type { Thread } from "./thread";

/** What the parts of the conversation need of what is around them. */
export interface Surroundings {
  tell(message: FromView): void;
  mark(part: Part): void;
  /** Says it to those who do not see the screen. */
  announce(text: string): void;
  nested(): Thread;
}

const SIGNS: Record<ToolStatus, { icon: IconName; word: string }> = {
  ok: { icon: "check", word: "" },
  failed: { icon: "close", word: "failed" },
  denied: { icon: "denied", word: "denied" },
  cancelled: { icon: "stop", word: "stopped" },
};

const CLASSES: Record<ToolClass, IconName> = { read: "read", edit: "edit", execute: "terminal", network: "network" };

/** Of an edit, what its diff shows. */
const LONG_FIELDS = new Set(["old_string", "new_string", "content", "edits"]);

/** Runs longer than this, in milliseconds, show their time. */
const NOTABLE = 1000;

export type ToolCall = Extract<SessionEvent, { type: "toolCall" }>;

export class Call implements Part {
  private readonly sign = h("span", { class: "sign" });
  private readonly detail = h("span", { class: "detail" });
  private readonly time = h("span", { class: "time" });
  private readonly body = h("div", { class: "body" });
  readonly element: HTMLDetailsElement;
  private readonly output: Output;
  private readonly read: Output;
  private began: number;
  /** Of the output, how much was shown, in bytes. */
  private printed = 0;
  private result: { status: ToolStatus; text: string; diff: FileDiff | undefined } | undefined;
  private isBuilt = false;
  private readonly nestedEvents: SessionEvent[] = [];
  private readonly nestedPlace = h("div", { class: "nested" });
  private nested: Thread | undefined;
  private steps = 0;
  private readonly toBackground = h(
    "button",
    {
      type: "button",
      class: "row-button",
      hidden: true,
      title: "Let it go on in the background, and the turn with it",
    },
    "Run in Background",
  );

  constructor(
    readonly call: ToolCall,
    private readonly path: string,
    private readonly around: Surroundings,
    at: number | undefined,
  ) {
    this.began = at ?? Date.now();
    const copy = (text: string) => around.tell({ type: "copy", text });
    const open = (text: string) => around.tell({ type: "openText", text });
    this.output = new Output({ copy, open });
    this.read = new Output({ copy, open });
    const icon = call.tool === "sub_agent" ? "agent" : call.tool === "plan" ? "list" : CLASSES[call.class];
    this.element = h(
      "details",
      { class: "entry call running" },
      h(
        "summary",
        {},
        h(
          "span",
          { class: "head" },
          svg(icon),
          h("span", { class: "title", title: call.title }, call.title),
          this.detail,
          this.time,
          this.sign,
          svg("chevron"),
        ),
      ),
      this.body,
    );
    this.sign.append(h("span", { class: "spinner", role: "img", "aria-label": "running" }));
    this.toBackground.addEventListener("click", () => around.tell({ type: "background", callId: path }));
    this.body.append(this.toBackground);
    this.toBackground.hidden = call.class !== "execute" || path.includes(".");
    // What is folded is not built.
    this.element.addEventListener("toggle", () => {
      if (this.element.open) {
        this.build();
        this.render();
      }
    });
  }

  print(offset: number, text: string): void {
    if (offset > this.printed) {
      this.output.append(`\n… ${(offset - this.printed).toLocaleString()} bytes are not shown …\n`);
    }
    this.printed = offset + new TextEncoder().encode(text).length;
    this.output.append(text);
    this.around.mark(this);
  }

  wait(does: boolean): void {
    this.element.classList.toggle("waiting", does);
  }

  /** An event of the sub-agent that this call started. */
  takeNested(event: SessionEvent, at: number | undefined): void {
    if (event.type === "toolCall") {
      this.steps += 1;
      this.detail.textContent = event.title;
    }
    if (this.nested === undefined) {
      this.nestedEvents.push(event);
    } else {
      this.nested.take(event, at);
    }
    if (!this.isBuilt) {
      return;
    }
    this.showNested();
  }

  end(status: ToolStatus, text: string, diff: FileDiff | undefined, at: number | undefined): void {
    const { icon, word } = SIGNS[status];
    this.result = { status, text, diff };
    this.sign.replaceChildren(svg(icon));
    this.element.classList.remove("running", "waiting");
    this.element.classList.add(status);
    this.toBackground.remove();
    this.nested?.rest();
    const took = at === undefined ? 0 : at - this.began;
    this.time.textContent = [word, took >= NOTABLE ? duration(took) : ""].filter((part) => part !== "").join(", ");
    this.detail.textContent = this.steps > 0 ? `${this.steps} ${this.steps === 1 ? "step" : "steps"}` : "";
    if (diff !== undefined) {
      this.detail.replaceChildren(changeCount(diff));
    }
    if (status === "failed") {
      // The first line tells most of what went wrong, without opening the row.
      const first = text.trim().split("\n", 1)[0] ?? "";
      this.element.querySelector("summary")?.append(h("span", { class: "why", title: first }, first));
      this.around.announce(`${this.call.title} failed: ${first}`);
    } else if (status === "denied") {
      this.around.announce(`${this.call.title} was denied`);
    }
    if (this.isBuilt) {
      this.showResult();
    }
    this.around.mark(this);
  }

  render(): void {
    if (this.element.open) {
      this.output.render();
      this.read.render();
    }
  }

  private build(): void {
    if (this.isBuilt) {
      return;
    }
    this.isBuilt = true;
    this.body.append(...input(this.call), this.nestedPlace, this.output.element);
    this.around.mark(this);
    this.showNested();
    if (this.result !== undefined) {
      this.showResult();
    }
  }

  private showNested(): void {
    if (this.nested === undefined && this.nestedEvents.length > 0) {
      this.nested = this.around.nested();
      this.nested.under = `${this.path}.`;
      this.nestedPlace.append(this.nested.element);
      for (const event of this.nestedEvents.splice(0)) {
        this.nested.take(event, undefined);
      }
      if (this.result !== undefined) {
        this.nested.rest();
      }
    }
  }

  private showResult(): void {
    const { text, diff, status } = this.result ?? { text: "", diff: undefined, status: "ok" };
    if (diff !== undefined) {
      this.body.append(renderDiff(diff, (path, line) => this.around.tell({ type: "openFile", path, line })));
      if (status === "ok") {
        return;
      }
    }
    if (this.printed === 0 || text.includes(this.output.text.trim())) {
      this.output.set(text);
    } else if (text !== "") {
      this.read.set(text);
      const label = h("summary", {}, "What the model reads of it");
      this.body.append(h("details", { class: "read", ontoggle: () => this.read.render() }, label, this.read.element));
    }
  }
}

/** What the call was given, as a person would write it. */
function input(call: ToolCall): HTMLElement[] {
  if (typeof call.input !== "object" || call.input === null) {
    return [h("pre", { class: "input", tabindex: "0" }, String(call.input))];
  }
  const fields = Object.entries(call.input).filter(([, value]) => value !== undefined && value !== null);
  const command = fields.find(([name]) => name === "command")?.[1];
  if (typeof command === "string") {
    return [h("pre", { class: "command-line", tabindex: "0" }, command)];
  }
  // The change itself says more.
  const isShown = (name: string) => call.class !== "edit" || !LONG_FIELDS.has(name);
  const list = h("dl", { class: "input" });
  for (const [name, value] of fields.filter(([key]) => isShown(key))) {
    const text = typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
    const isLong = text.length > 60 || text.includes("\n");
    const clipped = text.length > 20_000 ? `${text.slice(0, 20_000)}\n… ${text.length - 20_000} characters more` : text;
    list.append(h("dt", {}, name), h("dd", { class: isLong ? "long" : "" }, h("code", {}, clipped)));
  }
  return [list];
}
