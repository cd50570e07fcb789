// A conversation folded from its events: a session's, or a sub-agent's within it.

import type { Asker, ContentBlock, SessionEvent, TurnStopReason } from "../src/protocol";
import { Call, type Surroundings } from "./call";
import { h, type IconName, iconButton, svg } from "./dom";
import { bytes, duration, tokens, usageDetails, usageLine } from "./format";
import type { Part } from "./frames";
import { renderMarkdown, StreamingMarkdown } from "./markdown";
import { blockIcon, blockName, blockPlace } from "./mentions";

const STOPPED: Partial<Record<TurnStopReason, string>> = {
  cancelled: "Stopped.",
  maxTokens: "The answer was cut at the token limit.",
  turnLimit: "The turn used up its model calls. Say “go on” to continue.",
  refusal: "The model declined.",
  interrupted: "The server ended in the middle of this turn.",
};

const STRATEGIES: Record<string, string> = {
  dropThinking: "former reasoning left out",
  dropFailedResults: "what failed calls said left out",
  clipOutputs: "long outputs shortened",
  summarise: "older parts summarised",
  keepRecent: "older parts left out",
};

export class Thread {
  readonly element = h("div", { class: "thread" });
  readonly calls = new Map<string, Call>();
  /** The calls around it, as `callId`s with a dot behind each. */
  under = "";
  private answer: { markdown: StreamingMarkdown; element: HTMLElement } | undefined;
  private thinking: Thinking | undefined;
  /** What the model said since the last `usage`: it may be withdrawn. */
  private said: HTMLElement[] = [];
  /** Which call an open approval or question is for. */
  private readonly waiting = new Map<string, string>();
  private retry: Retry | undefined;
  /** The last thing in the thread while the model is about to do something. */
  private readonly busy = h("div", { class: "entry busy", hidden: true });
  private readonly busyText = h("span", { class: "shimmer" });
  private turnBegan: number | undefined;

  constructor(private readonly around: Surroundings) {
    this.busy.append(this.busyText);
    this.element.append(this.busy);
  }

  /** `at` is when it happened, in milliseconds since 1970; absent for what happened before this was watched. */
  take(event: SessionEvent, at: number | undefined): void {
    switch (event.type) {
      case "turnStarted":
        this.turnBegan = at;
        this.close();
        this.add(prompt(event.prompt, "prompt", this.around));
        this.work("Working");
        break;
      case "turnSteered":
        this.close();
        this.add(prompt(event.prompt, "prompt steered", this.around));
        break;
      case "messageDelta":
        this.speak(event.text, at);
        break;
      case "reasoningDelta":
        this.think(event.text, at);
        break;
      case "toolPreparing":
        this.work(`Writing ${event.tool}${event.bytes > 2000 ? `, ${bytes(event.bytes)}` : ""}`);
        break;
      case "superseded":
        for (const element of this.said.splice(0)) {
          element.remove();
        }
        this.answer = undefined;
        this.thinking = undefined;
        this.work("Beginning anew");
        break;
      case "toolCall": {
        this.close();
        const call = new Call(event, `${this.under}${event.callId}`, this.around, at);
        this.calls.set(event.callId, call);
        this.add(call.element);
        this.busy.hidden = true;
        break;
      }
      case "toolProgress":
        this.calls.get(event.callId)?.print(event.offset, event.text);
        break;
      case "toolResult":
        this.calls.get(event.callId)?.end(event.status, event.text, event.diff, at);
        this.work("Working");
        break;
      case "nested":
        this.calls.get(event.callId)?.takeNested(event.event, at);
        break;
      case "approvalRequested":
        this.waits(event.approval.approvalId, event.approval);
        break;
      case "questionAsked":
        this.waits(event.question.questionId, event.question);
        break;
      case "approvalResolved":
      case "questionResolved":
        this.resolved(event);
        break;
      case "usage":
        this.said = [];
        break;
      case "retry":
        this.retry ??= new Retry((element) => this.add(element));
        this.retry.take(event.attempt, event.delayMs, event.error, at);
        this.work("Waiting for the model's server");
        break;
      case "fallback":
        this.note("warning", `${event.from} is too busy (${event.error}). The rest of this turn asks ${event.to}.`);
        break;
      case "notice":
        this.note(event.level, event.message);
        break;
      case "compaction": {
        const how = event.strategies.map((strategy) => STRATEGIES[strategy] ?? strategy).join(", ");
        const text = `Made shorter for the model: ${tokens(event.tokensBefore)} → ${tokens(event.tokensAfter)} tokens`;
        this.add(h("div", { class: "entry divider", title: how }, svg("compact"), text));
        break;
      }
      case "taskStarted":
        this.add(line("clock", `In the background: ${event.task.title}`));
        break;
      case "taskEnded":
        this.add(taskEnd(event.task.title, event.task.status, event.text, this.around));
        break;
      case "toolsChanged":
        this.add(line("info", changedTools(event.added, event.removed)));
        break;
      case "turnEnded":
        this.ended(event, at);
        break;
      case "plan":
      case "sessionConfigured":
      case "sessionRenamed":
      case "commandsChanged":
        // Shown elsewhere.
        break;
    }
  }

  /** Nothing more comes. */
  rest(): void {
    this.busy.hidden = true;
  }

  private speak(text: string, at: number | undefined): void {
    this.endThinking(at);
    if (this.answer === undefined) {
      const element = h("div", { class: "entry answer" });
      this.answer = { markdown: new StreamingMarkdown(element), element };
      this.add(element);
      this.said.push(element);
    }
    this.answer.markdown.append(text);
    this.around.mark(this.answer.markdown);
    this.busy.hidden = true;
    this.retry?.end();
    this.retry = undefined;
  }

  private think(text: string, at: number | undefined): void {
    this.endAnswer();
    if (this.thinking === undefined) {
      this.thinking = new Thinking(this.around, at);
      this.add(this.thinking.element);
      this.said.push(this.thinking.element);
    }
    this.thinking.append(text);
    this.busy.hidden = true;
    this.retry?.end();
    this.retry = undefined;
  }

  private waits(id: string, { callId, agent }: { callId: string; agent?: Asker }): void {
    const waiting = agent?.callId ?? callId;
    this.waiting.set(id, waiting);
    this.calls.get(waiting)?.wait(true);
    this.busy.hidden = true;
  }

  private resolved(event: Extract<SessionEvent, { type: "approvalResolved" | "questionResolved" }>): void {
    const id = event.type === "approvalResolved" ? event.approvalId : event.questionId;
    const callId = this.waiting.get(id);
    this.waiting.delete(id);
    if (callId !== undefined && ![...this.waiting.values()].includes(callId)) {
      this.calls.get(callId)?.wait(false);
    }
    if (event.type === "questionResolved" && event.outcome.type === "nobody") {
      this.note("info", "Nobody could be asked; the model decides by itself.");
    }
    if (event.type === "approvalResolved" && event.outcome.type === "denied" && event.outcome.reason !== undefined) {
      this.add(line("denied", `Denied: ${event.outcome.reason}`));
    }
    if (event.type === "approvalResolved" && event.outcome.type === "nobody") {
      this.add(line("denied", `Not done, because nobody could be asked: ${event.outcome.reason}`));
    }
  }

  private ended(end: Extract<SessionEvent, { type: "turnEnded" }>, at: number | undefined): void {
    const { turnId, stopReason, error, usage } = end;
    const answer = this.answer?.markdown;
    this.close();
    this.busy.hidden = true;
    if (error !== undefined) {
      this.note("error", error);
    } else if (STOPPED[stopReason] !== undefined) {
      this.note("info", STOPPED[stopReason]);
    }
    if (this.under !== "") {
      return;
    }
    const took = at === undefined || this.turnBegan === undefined ? "" : duration(at - this.turnBegan);
    const text = [took, usageLine(usage)].filter((part) => part !== "").join(" · ");
    const foot = h("div", { class: "entry foot" }, h("span", { title: usageDetails(usage) }, text));
    const fork = () => this.around.tell({ type: "forkSession", turnId });
    foot.prepend(iconButton("branch", "Branch off: go on from here in another session", fork));
    if (answer !== undefined) {
      const copy = () => this.around.tell({ type: "copy", text: answer.text });
      foot.prepend(iconButton("copy", "Copy the answer", copy));
    }
    this.add(foot);
  }

  private note(level: string, message: string): void {
    this.close();
    const icon: IconName = level === "info" ? "info" : "warning";
    this.add(h("div", { class: `entry note ${level}` }, svg(icon), h("span", {}, message)));
    if (level !== "info") {
      this.around.announce(message);
    }
  }

  private work(what: string): void {
    this.busyText.textContent = what;
    this.busy.hidden = false;
  }

  private endAnswer(): void {
    if (this.answer !== undefined) {
      this.answer.markdown.end();
      this.answer = undefined;
    }
  }

  private endThinking(at: number | undefined): void {
    this.thinking?.end(at);
    this.thinking = undefined;
  }

  /** What comes next begins anew. */
  private close(): void {
    this.endAnswer();
    this.endThinking(undefined);
    this.retry?.end();
    this.retry = undefined;
  }

  private add(element: HTMLElement): void {
    this.busy.before(element);
    // The place where the view is scrolled to is looked after once a frame.
    this.around.mark(NOTHING);
  }
}

const NOTHING: Part = { render() {} };

function line(icon: IconName, text: string): HTMLElement {
  return h("div", { class: "entry line" }, svg(icon), h("span", {}, text));
}

function changedTools(added: string[], removed: string[]): string {
  const parts = [
    added.length === 0 ? undefined : `${added.length} new: ${added.join(", ")}`,
    removed.length === 0 ? undefined : `${removed.length} gone: ${removed.join(", ")}`,
  ];
  return `Tools: ${parts.filter((part) => part !== undefined).join("; ")}`;
}

function taskEnd(title: string, status: string, text: string, around: Surroundings): HTMLElement {
  const words: Record<string, string> = {
    ended: "Ended in the background",
    cancelled: "Stopped in the background",
    timedOut: "Ran into its time limit in the background",
    lost: "Lost in the background",
  };
  const open = () => around.tell({ type: "openText", text });
  const button = h("button", { type: "button", class: "link", onclick: open }, "Output");
  return h(
    "div",
    { class: "entry line" },
    svg("clock"),
    h("span", {}, `${words[status] ?? status}: ${title} `),
    button,
  );
}

/** What the person said, with what they pointed to. */
function prompt(blocks: ContentBlock[], kind: string, around: Surroundings): HTMLElement {
  const mentions = h("div", { class: "mentions" });
  const text = h("div", { class: "text" });
  const images = h("div", { class: "images" });
  for (const block of blocks) {
    if (block.type === "text") {
      text.append(text.childNodes.length > 0 ? "\n" : "", block.text);
    } else if (block.type === "command") {
      text.append(`/${block.name} ${block.arguments ?? ""}`);
    } else if (block.type === "image") {
      images.append(h("img", { src: `data:${block.mediaType};base64,${block.data}`, alt: "image in the prompt" }));
    } else {
      const place = blockPlace(block);
      const open = () => {
        if (place !== undefined) {
          around.tell({ type: "openFile", ...place });
        }
      };
      const attributes = { type: "button", class: "chip", disabled: place === undefined, onclick: open };
      mentions.append(h("button", attributes, svg(blockIcon(block)), blockName(block)));
    }
  }
  const parts = [mentions, text, images].filter((part) => part.childNodes.length > 0);
  const label = kind.includes("steered") ? "You said meanwhile" : "You said";
  return h("div", { class: `entry ${kind}`, role: "article", "aria-label": label, tabindex: "-1" }, ...parts);
}

/** Reasoning, folded. Rendered only while it is open. */
class Thinking implements Part {
  private readonly body = h("div", { class: "body" });
  private readonly title = h("span", { class: "shimmer" }, "Thinking");
  readonly element = h("details", { class: "entry thinking" });
  private text = "";
  private readonly began: number;

  constructor(
    private readonly around: Surroundings,
    at: number | undefined,
  ) {
    this.began = at ?? Date.now();
    this.element.append(h("summary", {}, svg("bulb"), this.title, svg("chevron")), this.body);
    this.element.addEventListener("toggle", () => this.render());
  }

  append(text: string): void {
    this.text += text;
    this.around.mark(this);
  }

  render(): void {
    if (this.element.open) {
      renderMarkdown(this.body, this.text);
    }
  }

  end(at: number | undefined): void {
    const took = at === undefined ? 0 : at - this.began;
    this.title.className = "";
    this.title.textContent = took >= 1000 ? `Thought for ${duration(took)}` : "Thought";
  }
}

/** Tries of one model call: a row that counts down, and stays as a trace. */
class Retry {
  private readonly text = h("span", {});
  private readonly element = h("div", { class: "entry line retry" }, svg("retry"), this.text);
  private timer: ReturnType<typeof setInterval> | undefined;
  private isShown = false;
  private error = "";
  private attempt = 0;

  constructor(private readonly add: (element: HTMLElement) => void) {}

  take(attempt: number, delayMs: number, error: string, at: number | undefined): void {
    clearInterval(this.timer);
    this.error = error;
    this.attempt = attempt;
    if (!this.isShown) {
      this.isShown = true;
      this.add(this.element);
    }
    const until = (at ?? 0) + delayMs;
    const tell = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      this.text.textContent = left > 0 ? `${error} Try ${attempt} in ${left} s.` : `${error} Try ${attempt}.`;
      if (left <= 0) {
        clearInterval(this.timer);
      }
    };
    tell();
    if (until > Date.now()) {
      this.timer = setInterval(tell, 1000);
    }
  }

  end(): void {
    clearInterval(this.timer);
    this.text.textContent = `${this.error} Tried again${this.attempt > 2 ? `, ${this.attempt - 1} times` : ""}.`;
  }
}
