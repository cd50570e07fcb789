// The conversation, folded from the session's events. Rendering is batched: events only mark what has changed, and a
// frame brings the screen up to it.

import type { ContentBlock, FileDiff, SessionEvent, ToolStatus } from "../src/protocol";
import { h } from "./dom";
import { renderMarkdown, StreamingMarkdown } from "./markdown";

/** Of a tool's output, as much as is shown, in characters; the newest. The model and the log have more. */
const SHOWN_OUTPUT = 40_000;

/** What of a conversation needs its surroundings. */
export interface Surroundings {
  openFile(path: string, line?: number): void;
}

const STATUS: Record<ToolStatus, { sign: string; word: string }> = {
  ok: { sign: "✓", word: "done" },
  failed: { sign: "✗", word: "failed" },
  denied: { sign: "⊘", word: "denied" },
  cancelled: { sign: "◼", word: "stopped" },
};

export class Transcript {
  readonly element = h("div", {
    class: "transcript",
    role: "log",
    "aria-live": "polite",
    "aria-label": "Conversation",
  });
  private dirty = new Set<{ render(): void }>();
  private frame = 0;
  private text: StreamingMarkdown | undefined;
  private thinking: Thinking | undefined;
  private calls = new Map<string, Call>();

  constructor(private readonly surroundings: Surroundings) {}

  clear(): void {
    this.element.replaceChildren();
    this.dirty.clear();
    this.close();
    this.calls.clear();
  }

  take(event: SessionEvent): void {
    switch (event.type) {
      case "turnStarted":
        this.close();
        this.said(event.prompt, "prompt");
        break;
      case "turnSteered":
        this.close();
        this.said(event.prompt, "prompt steered");
        break;
      case "messageDelta":
        this.thinking?.end();
        this.thinking = undefined;
        this.text ??= new StreamingMarkdown(this.add(h("div", { class: "entry answer" })));
        this.text.append(event.text);
        this.mark(this.text);
        break;
      case "reasoningDelta":
        this.text = undefined;
        if (this.thinking === undefined) {
          this.thinking = new Thinking();
          this.add(this.thinking.element);
        }
        this.thinking.append(event.text);
        this.mark(this.thinking);
        break;
      case "toolCall": {
        this.close();
        const call = new Call(event.tool, event.title, event.input, this.surroundings);
        this.calls.set(event.callId, call);
        this.add(call.element);
        break;
      }
      case "toolProgress": {
        const call = this.calls.get(event.callId);
        if (call !== undefined) {
          call.print(event.text);
          this.mark(call);
        }
        break;
      }
      case "toolResult":
        this.calls.get(event.callId)?.end(event.status, event.text, event.diff);
        break;
      case "approvalRequested":
        this.calls.get(event.approval.callId)?.wait();
        break;
      case "retry":
        this.note("warning", `The model's server failed (${event.error}). Try ${event.attempt} follows.`);
        break;
      case "notice":
        this.note(event.level, event.message);
        break;
      case "turnEnded": {
        this.close();
        this.ended(event.stopReason, event.error, event.usage.inputTokens, event.usage.outputTokens);
        break;
      }
      default:
        break;
    }
  }

  private said(prompt: ContentBlock[], kind: string): void {
    const entry = h("div", { class: `entry ${kind}` });
    for (const block of prompt) {
      if (block.type === "text") {
        entry.append(h("span", {}, block.text));
      } else if (block.type === "image") {
        entry.append(h("img", { src: `data:${block.mediaType};base64,${block.data}`, alt: "image in the prompt" }));
      } else if (block.type === "selection") {
        const open = () => this.surroundings.openFile(block.path, block.startLine);
        entry.append(
          h("button", { class: "mention", onclick: open }, `@${block.path}:${block.startLine}-${block.endLine}`),
        );
      }
    }
    this.add(entry);
  }

  private note(level: string, message: string): void {
    this.close();
    this.add(h("div", { class: `entry note ${level}`, role: "status" }, message));
  }

  private ended(
    reason: string,
    error: string | undefined,
    input: number | undefined,
    output: number | undefined,
  ): void {
    if (error !== undefined) {
      this.note("error", error);
    } else if (reason !== "endTurn") {
      const words: Record<string, string> = {
        cancelled: "Stopped.",
        maxTokens: "The answer was cut at the token limit.",
        turnLimit: "The turn used up its model calls. Say “go on” to continue.",
        refusal: "The model declined.",
        interrupted: "The server ended in the middle of this turn.",
      };
      this.note("info", words[reason] ?? reason);
    }
    if (input !== undefined || output !== undefined) {
      this.add(h("div", { class: "entry usage" }, `${tokens(input)} in, ${tokens(output)} out`));
    }
  }

  /** What comes next begins anew. */
  private close(): void {
    this.text = undefined;
    this.thinking?.end();
    this.thinking = undefined;
  }

  private add<E extends HTMLElement>(element: E): E {
    const follow = this.isAtEnd();
    this.element.append(element);
    if (follow) {
      this.toEnd();
    }
    return element;
  }

  private mark(part: { render(): void }): void {
    this.dirty.add(part);
    if (this.frame === 0) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        const follow = this.isAtEnd();
        for (const changed of this.dirty) {
          changed.render();
        }
        this.dirty.clear();
        if (follow) {
          this.toEnd();
        }
      });
    }
  }

  private isAtEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.element;
    return scrollHeight - scrollTop - clientHeight < 40;
  }

  private toEnd(): void {
    this.element.scrollTop = this.element.scrollHeight;
  }
}

class Thinking {
  private readonly body = h("div", { class: "body" });
  private readonly title = h("summary", {}, "Thinking…");
  readonly element = h("details", { class: "entry thinking" }, this.title, this.body);
  private text = "";

  append(text: string): void {
    this.text += text;
  }

  render(): void {
    if (this.element.open) {
      renderMarkdown(this.body, this.text);
    }
  }

  constructor() {
    this.element.addEventListener("toggle", () => this.render());
  }

  end(): void {
    this.title.textContent = "Thought";
  }
}

class Call {
  private readonly sign = h("span", { class: "sign", "aria-hidden": "true" }, "…");
  private readonly time = h("span", { class: "time" });
  private readonly output = h("pre", { class: "output", tabindex: "0" });
  private readonly body = h("div", { class: "body" });
  readonly element: HTMLDetailsElement;
  private printed = "";
  private readonly began = performance.now();

  constructor(
    tool: string,
    title: string,
    private readonly input: unknown,
    private readonly surroundings: Surroundings,
  ) {
    const summary = h(
      "summary",
      {},
      this.sign,
      h("span", { class: "tool" }, tool),
      h("span", { class: "title" }, title),
    );
    summary.append(this.time);
    this.element = h("details", { class: "entry call running", "aria-label": `${tool}: ${title}` }, summary, this.body);
    // What is folded is not built.
    this.element.addEventListener("toggle", () => this.build(), { once: true });
  }

  print(text: string): void {
    this.printed = (this.printed + text).slice(-SHOWN_OUTPUT);
  }

  render(): void {
    this.output.textContent = this.printed;
  }

  wait(): void {
    this.sign.textContent = "?";
    this.element.classList.add("waiting");
  }

  end(status: ToolStatus, text: string, diff: FileDiff | undefined): void {
    const { sign, word } = STATUS[status];
    this.sign.textContent = sign;
    this.element.classList.remove("running", "waiting");
    this.element.classList.add(status);
    const seconds = (performance.now() - this.began) / 1000;
    this.time.textContent = seconds >= 1 ? `${word}, ${seconds.toFixed(0)} s` : word;
    this.printed = text.length > SHOWN_OUTPUT ? `…${text.slice(-SHOWN_OUTPUT)}` : text;
    this.render();
    if (diff !== undefined) {
      this.body.append(renderDiff(diff, this.surroundings));
    }
  }

  private build(): void {
    this.body.prepend(
      h("pre", { class: "input", tabindex: "0" }, JSON.stringify(this.input, undefined, 2)),
      this.output,
    );
    this.render();
  }
}

/** A unified diff, one element a hunk. */
export function renderDiff(diff: FileDiff, surroundings: Surroundings): HTMLElement {
  const element = h("div", { class: "diff" });
  const name = diff.path.split(/[\\/]/).at(-1) ?? diff.path;
  const first = diff.hunks[0]?.newStart ?? 1;
  element.append(h("button", { class: "mention", onclick: () => surroundings.openFile(diff.path, first) }, name));
  for (const hunk of diff.hunks) {
    const lines = hunk.text.split("\n").map((line) => {
      const kind = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "same";
      return h("span", { class: kind }, `${line}\n`);
    });
    element.append(h("pre", { class: "hunk", tabindex: "0" }, ...lines));
  }
  return element;
}

function tokens(count: number | undefined): string {
  if (count === undefined) {
    return "?";
  }
  return count < 1000 ? String(count) : `${(count / 1000).toFixed(1)}k`;
}
