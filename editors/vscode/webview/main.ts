import type { FromView, Status, ToView } from "../src/messages";
import type { Mode } from "../src/protocol";
import { type Judge, renderApprovals } from "./approvals";
import { h } from "./dom";
import { Prompt } from "./prompt";
import { Transcript } from "./transcript";

declare function acquireVsCodeApi(): { postMessage(message: FromView): void };

const host = acquireVsCodeApi();
const tell = (message: FromView) => host.postMessage(message);

const judge: Judge = {
  openFile: (path, line) => tell({ type: "openFile", path, ...(line === undefined ? {} : { line }) }),
  decide: (approvalId, decision) => tell({ type: "decide", approvalId, decision }),
  showDiff: (approvalId) => tell({ type: "showDiff", approvalId }),
};
const transcript = new Transcript(judge);
const approvals = h("div", { class: "approvals", "aria-live": "assertive" });
const queue = h("div", { class: "queue" });
const failure = h("div", { class: "entry note error", role: "alert", hidden: true });
const mode = h("select", { "aria-label": "Mode", title: "How much happens without asking" });
const model = h("select", { "aria-label": "Model", title: "The model of this session" });
let completing = 0;
const prompt = new Prompt({
  say: (blocks, how) => {
    failure.hidden = true;
    tell({ type: "say", prompt: blocks, how });
  },
  stop: () => tell({ type: "stop" }),
  complete: (query) => {
    completing += 1;
    tell({ type: "complete", request: completing, query });
  },
});

const MODES: [Mode, string][] = [
  ["ask", "Ask"],
  ["acceptEdits", "Accept edits"],
  ["plan", "Plan"],
  ["auto", "Auto"],
];
mode.append(...MODES.map(([value, label]) => h("option", { value }, label)));
mode.addEventListener("change", () => tell({ type: "configure", mode: mode.value as Mode }));
model.addEventListener("change", () => tell({ type: "configure", model: model.value }));

document
  .getElementById("app")
  ?.append(transcript.element, approvals, queue, failure, prompt.element, h("div", { class: "settings" }, mode, model));

window.addEventListener("message", ({ data }: MessageEvent<ToView>) => {
  switch (data.type) {
    case "reset":
      transcript.clear();
      for (const event of data.events) {
        transcript.take(event);
      }
      show(data.status);
      break;
    case "events":
      for (const event of data.events) {
        transcript.take(event);
      }
      break;
    case "status":
      show(data.status);
      break;
    case "approvals":
      renderApprovals(approvals, data.approvals, judge);
      break;
    case "insert":
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
    case "failed":
      failure.textContent = data.message;
      failure.hidden = false;
      if (data.prompt !== undefined) {
        prompt.insert(data.prompt);
      }
      break;
  }
});

// Buttons of code blocks, wherever they are.
transcript.element.addEventListener("click", (event) => {
  const button = (event.target as HTMLElement).closest<HTMLElement>("button[data-code]");
  const code = button?.closest("figure")?.querySelector("code")?.textContent;
  if (button !== null && code !== null && code !== undefined) {
    tell(button.dataset["code"] === "copy" ? { type: "copy", text: code } : { type: "insertCode", text: code });
  }
});

function show(status: Status): void {
  prompt.running(status.running);
  document.body.classList.toggle("running", status.running);
  document.body.classList.toggle("offline", !status.connected);
  mode.value = status.mode;
  const ids = status.models.map(({ id }) => id);
  const all = status.model === undefined || ids.includes(status.model) ? ids : [status.model, ...ids];
  model.replaceChildren(
    ...(status.model === undefined ? [h("option", { value: "" }, "default model")] : []),
    ...all.map((id) => {
      const known = status.models.find((one) => one.id === id);
      return h("option", { value: id, title: known?.hint ?? "" }, known?.ready === false ? `${id} (no key)` : id);
    }),
  );
  model.value = status.model ?? "";
  queue.replaceChildren(
    ...status.queue.map(({ id, text }) =>
      h(
        "div",
        { class: "queued" },
        h("span", {}, text),
        h("button", { title: "Take it back into the prompt", onclick: () => tell({ type: "unqueue", id }) }, "Edit"),
      ),
    ),
  );
}

tell({ type: "ready" });
