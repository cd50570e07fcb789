// The chat view: what the extension tells is shown, what the person does is told to the extension.

import type { FromView, Stamped, Status, ToView, Trouble } from "../src/messages";
import type { ContentBlock, Mode, ModelInfo } from "../src/protocol";
import { announce, announcer } from "./announce";
import { Dock } from "./dock";
import { h, iconButton, svg } from "./dom";
import { tokens } from "./format";
import { type Item, Picker } from "./menu";
import { Meter } from "./meter";
import { type Draft, Prompt } from "./prompt";
import { Sessions } from "./sessions";
import { Transcript } from "./transcript";
import { Waiting } from "./waiting";
import { Welcome } from "./welcome";

interface Kept {
  draft: Draft;
  history: string[];
}

declare function acquireVsCodeApi(): {
  postMessage(message: FromView): void;
  getState(): Kept | undefined;
  setState(state: Kept): void;
};

/** A draft is kept this long after a key was pressed, in milliseconds. */
const KEEP_AFTER = 300;

const MODES: { mode: Mode; label: string; detail: string }[] = [
  { mode: "ask", label: "Ask", detail: "Everything but reading asks" },
  { mode: "acceptEdits", label: "Accept edits", detail: "Edits in the workspace do not ask" },
  { mode: "plan", label: "Plan", detail: "Nothing is changed or run" },
  { mode: "auto", label: "Auto", detail: "What stays in the workspace does not ask" },
];

const host = acquireVsCodeApi();
const tell = (message: FromView) => host.postMessage(message);
let status: Status | undefined;
let completing = 0;

const transcript = new Transcript({ tell, announce });
const waiting = new Waiting(tell);
const dock = new Dock(tell);
const meter = new Meter(() => tell({ type: "compact" }));
const sessions = new Sessions(tell, () => showSessions(false));
const failureText = h("span", {});
const failure = h(
  "div",
  { class: "failure", role: "alert", hidden: true },
  svg("warning"),
  failureText,
  iconButton("close", "Dismiss", () => {
    failure.hidden = true;
  }),
);
const offline = h("div", { class: "offline", role: "status", hidden: true });
const REMEDIES: Record<Trouble["remedy"], string> = {
  setServerPath: "Set Its Path",
  restartServer: "Start",
  doctor: "Ask the Doctor",
};
const modes = new Picker("Mode", "mode", () =>
  MODES.map(({ mode, label, detail }) => ({
    label,
    detail,
    isCurrent: status?.mode === mode,
    choose: () => tell({ type: "configure", mode }),
  })),
);
const models = new Picker("Model", undefined, () => (status?.models ?? []).map(modelItem));

let keeping: ReturnType<typeof setTimeout> | undefined;
const prompt = new Prompt(
  {
    say: (blocks, how) => {
      failure.hidden = true;
      showSessions(false);
      transcript.follow();
      tell({ type: "say", prompt: blocks, how });
    },
    stop: () => tell({ type: "stop" }),
    complete: (query) => {
      completing += 1;
      tell({ type: "complete", request: completing, query });
    },
    listCommands: () => tell({ type: "listCommands" }),
    command: run,
    failed: fail,
    keep: (draft) => {
      clearTimeout(keeping);
      keeping = setTimeout(() => host.setState({ draft, history: prompt.remembered }), KEEP_AFTER);
    },
  },
  modes.element,
  models.element,
  meter.element,
);
const welcome = new Welcome(tell, (text) => {
  prompt.insert([{ type: "text", text }]);
  prompt.focus();
});

const chat = h("main", {}, welcome.element, transcript.element);
document
  .getElementById("app")
  ?.append(
    announcer,
    chat,
    sessions.element,
    h("footer", {}, offline, failure, waiting.element, dock.element, prompt.element),
  );
const kept = host.getState();
if (kept !== undefined) {
  prompt.restore(kept.draft, kept.history);
}

window.addEventListener("message", ({ data }: MessageEvent<ToView>) => {
  switch (data.type) {
    case "reset":
      dock.reset();
      meter.reset();
      transcript.reset(data.events);
      follow(data.events, false);
      prompt.remember(data.events.flatMap(({ event }) => (event.type === "turnStarted" ? said(event.prompt) : [])));
      show(data.status);
      break;
    case "events":
      transcript.take(data.events);
      follow(data.events, true);
      break;
    case "status":
      show(data.status);
      break;
    case "waiting":
      waiting.show(data);
      break;
    case "insert":
      showSessions(false);
      prompt.insert(data.blocks);
      if (data.focus) {
        prompt.focus();
      }
      break;
    case "completions":
      // An answer to what was typed before is of no use.
      if (data.request === completing) {
        prompt.suggest(data.items);
      }
      break;
    case "commands":
      prompt.offer(data.commands);
      break;
    case "sessions":
      sessions.show(data.sessions, data.current);
      break;
    case "show":
      showSessions(data.what === "sessions");
      break;
    case "failed":
      fail(data.message);
      if (data.prompt !== undefined) {
        prompt.insert(data.prompt);
      }
      break;
    case "notYet":
      prompt.insert(data.prompt);
      if (offline.hidden && !welcome.asksForModel) {
        fail(data.message);
      } else {
        announce(data.message);
      }
      break;
  }
});

// Buttons of code blocks, and places in the text, wherever they are.
document.body.addEventListener("click", (event) => {
  const target = event.target as HTMLElement;
  const button = target.closest<HTMLElement>("button[data-code]");
  const figure = button?.closest("figure");
  const text = figure?.querySelector("code")?.textContent ?? undefined;
  if (button !== null && text !== undefined) {
    codeButton(button, text, figure?.dataset["language"] ?? "");
  }
  const place = target.closest<HTMLElement>("a[data-place]")?.dataset["place"];
  if (place !== undefined) {
    event.preventDefault();
    const [, path = place, line] = /^(.*?)(?::(\d+).*)?$/.exec(place) ?? [];
    tell({ type: "openFile", path, ...(line === undefined ? {} : { line: Number(line) }) });
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.defaultPrevented) {
    prompt.focus();
  }
});

function codeButton(button: HTMLElement, text: string, language: string): void {
  switch (button.dataset["code"]) {
    case "copy":
      tell({ type: "copy", text });
      button.textContent = "Copied";
      setTimeout(() => {
        button.textContent = "Copy";
      }, 1500);
      break;
    case "insert":
      tell({ type: "insertCode", text });
      break;
    case "apply":
      tell({ type: "applyCode", text, language });
      break;
  }
}

/** What the parts around the conversation take from its events; `isNow` if they come as they happen. */
function follow(events: Stamped[], isNow: boolean): void {
  for (const { event, at } of events) {
    dock.take(event);
    meter.take(event);
    if (event.type === "commandsChanged") {
      prompt.offer(event.commands);
    } else if (event.type === "turnEnded" && isNow && at !== undefined) {
      announce(event.error ?? `Pillion has answered. ${transcript.lastAnswer.slice(-500)}`);
    }
  }
  welcome.element.hidden = !transcript.isEmpty;
  transcript.element.hidden = transcript.isEmpty;
}

function show(next: Status): void {
  status = next;
  prompt.running(next.running);
  welcome.show(next);
  dock.show(next);
  showTrouble(next.trouble);
  document.body.classList.toggle("running", next.running);
  const mode = MODES.find((one) => one.mode === next.mode);
  modes.show(mode?.label ?? next.mode ?? "As configured", "Mode");
  models.show(next.model?.split("/").slice(1).join("/") ?? "Choose a model", "Model");
}

/** Why nothing can be said, and the one thing to do about it. */
function showTrouble(trouble: Trouble | undefined): void {
  offline.hidden = trouble === undefined;
  if (trouble !== undefined && offline.textContent !== `${trouble.message}${REMEDIES[trouble.remedy]}`) {
    const onclick = () => tell({ type: "command", command: trouble.remedy });
    const button = h("button", { type: "button", onclick }, REMEDIES[trouble.remedy]);
    offline.replaceChildren(svg("warning"), h("span", {}, trouble.message), button);
  }
}

function modelItem(model: ModelInfo): Item {
  const prices = model.prices;
  const about = [
    model.provider,
    model.window === undefined ? undefined : `${tokens(model.window)} context`,
    prices?.input === undefined || prices.output === undefined
      ? undefined
      : `$${prices.input} in, $${prices.output} out`,
  ];
  const detail = model.ready ? about.filter((part) => part !== undefined).join(" · ") : (model.hint ?? "not ready");
  return {
    label: model.id.split("/").slice(1).join("/"),
    detail,
    isCurrent: status?.model === model.id,
    isDim: !model.ready,
    choose: () => tell({ type: "configure", model: model.id }),
  };
}

function run(command: string): void {
  switch (command) {
    case "new":
      tell({ type: "command", command: "newSession" });
      break;
    case "sessions":
      showSessions(true);
      break;
    case "compact":
      tell({ type: "compact" });
      break;
    case "model":
      models.open();
      break;
    case "mode":
      modes.open();
      break;
  }
}

function showSessions(does: boolean): void {
  chat.hidden = does;
  if (does) {
    sessions.open();
  } else if (!sessions.element.hidden) {
    sessions.element.hidden = true;
    prompt.focus();
  }
}

function fail(message: string): void {
  failureText.textContent = message;
  failure.hidden = false;
}

function said(blocks: ContentBlock[]): string[] {
  return blocks.flatMap((block) => (block.type === "text" ? [block.text] : []));
}

tell({ type: "ready" });
