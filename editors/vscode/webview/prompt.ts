// Where the person writes: text, mentions, images; a history; and what waits behind the running turn.

import type { Completion } from "../src/messages";
import type { ContentBlock } from "../src/protocol";
import { h } from "./dom";

export interface Listener {
  say(prompt: ContentBlock[], how: "queue" | "steer"): void;
  stop(): void;
  complete(query: string): void;
}

export class Prompt {
  private readonly area = h("textarea", {
    rows: "3",
    "aria-label": "Prompt",
    placeholder: "Ask, or say what to do. @ mentions, Enter sends, Shift+Enter breaks the line",
  });
  private readonly chips = h("div", { class: "chips" });
  private readonly menu = h("ul", { class: "menu", role: "listbox", hidden: true });
  private readonly send = h("button", { class: "primary", onclick: () => this.submit("queue") }, "Send");
  private readonly steer = h("button", { hidden: true, onclick: () => this.submit("steer") }, "Tell Now");
  private readonly halt = h("button", { hidden: true, onclick: () => this.listener.stop() }, "Stop");
  readonly element = h(
    "div",
    { class: "prompt-box" },
    this.chips,
    this.menu,
    this.area,
    h("div", { class: "buttons" }, this.send, this.steer, this.halt),
  );
  private mentions: ContentBlock[] = [];
  private history: string[] = [];
  private place = 0;
  private choices: Completion[] = [];
  private chosen = 0;

  constructor(private readonly listener: Listener) {
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("input", () => this.lookUp());
    this.area.addEventListener("paste", (event) => void this.paste(event));
  }

  running(is: boolean): void {
    this.steer.hidden = !is;
    this.halt.hidden = !is;
    this.send.textContent = is ? "Send After" : "Send";
  }

  focus(): void {
    this.area.focus();
  }

  insert(blocks: ContentBlock[]): void {
    for (const block of blocks) {
      if (block.type === "text") {
        this.area.value = this.area.value === "" ? block.text : `${this.area.value} ${block.text}`;
      } else {
        this.mentions.push(block);
      }
    }
    this.showChips();
  }

  suggest(items: Completion[]): void {
    this.choices = items;
    this.chosen = 0;
    this.showMenu();
  }

  private submit(how: "queue" | "steer"): void {
    const text = this.area.value.trim();
    if (text === "" && this.mentions.length === 0) {
      return;
    }
    const prompt: ContentBlock[] = [...this.mentions];
    if (text !== "") {
      prompt.push({ type: "text", text });
      this.history.push(text);
    }
    this.place = this.history.length;
    this.area.value = "";
    this.mentions = [];
    this.showChips();
    this.suggest([]);
    this.listener.say(prompt, how);
  }

  private key(event: KeyboardEvent): void {
    if (this.choices.length > 0 && ["ArrowDown", "ArrowUp", "Enter", "Tab", "Escape"].includes(event.key)) {
      event.preventDefault();
      if (event.key === "Escape") {
        this.suggest([]);
      } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        const step = event.key === "ArrowDown" ? 1 : -1;
        this.chosen = (this.chosen + step + this.choices.length) % this.choices.length;
        this.showMenu();
      } else {
        this.choose(this.choices[this.chosen]);
      }
    } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit(event.ctrlKey || event.metaKey ? "steer" : "queue");
    } else if (event.key === "ArrowUp" && this.area.selectionStart === 0) {
      this.recall(-1);
    } else if (event.key === "ArrowDown" && this.area.selectionStart === this.area.value.length) {
      this.recall(1);
    } else if (event.key === "Escape") {
      this.listener.stop();
    }
  }

  private recall(step: number): void {
    const place = this.place + step;
    if (place >= 0 && place <= this.history.length) {
      this.place = place;
      this.area.value = this.history[place] ?? "";
    }
  }

  private query(): string | undefined {
    return /(?:^|\s)@([^\s@]*)$/.exec(this.area.value.slice(0, this.area.selectionStart))?.[1];
  }

  private lookUp(): void {
    const query = this.query();
    if (query === undefined) {
      this.suggest([]);
    } else {
      this.listener.complete(query);
    }
  }

  private choose(completion: Completion | undefined): void {
    const query = this.query();
    if (completion === undefined || query === undefined) {
      return;
    }
    const end = this.area.selectionStart;
    const start = end - query.length - 1;
    this.area.value = this.area.value.slice(0, start) + this.area.value.slice(end);
    this.area.setSelectionRange(start, start);
    this.mentions.push(completion.block);
    this.showChips();
    this.suggest([]);
  }

  private showMenu(): void {
    this.menu.hidden = this.choices.length === 0;
    this.menu.replaceChildren(
      ...this.choices.map((choice, index) =>
        h(
          "li",
          { role: "option", "aria-selected": String(index === this.chosen), onclick: () => this.choose(choice) },
          choice.label,
          h("small", {}, choice.detail),
        ),
      ),
    );
  }

  private showChips(): void {
    this.chips.replaceChildren(
      ...this.mentions.map((mention, index) => {
        const remove = () => {
          this.mentions.splice(index, 1);
          this.showChips();
        };
        const name = label(mention);
        return h(
          "button",
          { class: "chip", title: "Remove", "aria-label": `Remove ${name}`, onclick: remove },
          `${name} ×`,
        );
      }),
    );
  }

  private async paste(event: ClipboardEvent): Promise<void> {
    const images = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (images.length === 0) {
      return;
    }
    event.preventDefault();
    for (const image of images) {
      this.mentions.push({ type: "image", mediaType: image.type, data: await base64(image) });
    }
    this.showChips();
  }
}

function label(block: ContentBlock): string {
  switch (block.type) {
    case "image":
      return "image";
    case "selection":
      return `${block.path.split(/[\\/]/).at(-1)}:${block.startLine}-${block.endLine}`;
    default:
      return block.type;
  }
}

async function base64(file: Blob): Promise<string> {
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error ?? new Error("the image cannot be read"));
    reader.readAsDataURL(file);
  });
  return url.slice(url.indexOf(",") + 1);
}
