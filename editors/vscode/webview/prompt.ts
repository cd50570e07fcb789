// Where the person writes: text, mentions, commands, images; with a history of what was written.

import type { Completion, How } from "../src/messages";
import type { CommandInfo, ContentBlock } from "../src/protocol";
import { h, iconButton, svg } from "./dom";
import { imageBlock } from "./images";
import { blockIcon, blockName } from "./mentions";
import { Menu } from "./menu";

export interface Listener {
  say(prompt: ContentBlock[], how: How): void;
  stop(): void;
  complete(query: string): void;
  listCommands(): void;
  /** A command of the view itself. */
  command(name: string): void;
  failed(message: string): void;
  /** What to keep for when the view is made again. */
  keep(draft: Draft): void;
}

export interface Draft {
  text: string;
  mentions: Mention[];
}

/** A part of the prompt beside its text. With a `token`, it stands in the text, and goes with it. */
export interface Mention {
  block: ContentBlock;
  token?: string;
}

/** What the view does itself; a command of the server with the same name comes first. */
const OWN: CommandInfo[] = [
  { name: "new", description: "Begin another session", source: "view" },
  { name: "sessions", description: "Show the sessions", source: "view" },
  { name: "compact", description: "Make the conversation shorter for the model", source: "view" },
  { name: "model", description: "Choose the model", source: "view" },
  { name: "mode", description: "Choose how much happens without asking", source: "view" },
];

const REMEMBERED = 100;

export class Prompt {
  private readonly area = h("textarea", {
    rows: "1",

    "aria-autocomplete": "list",
    "aria-label": "Prompt",
  });
  private readonly chips = h("div", { class: "chips" });
  private readonly menu = new Menu(this.area, "Suggestions");
  private readonly send = iconButton("send", "Send (Enter)", () => this.submit("queue"), "primary send");
  private readonly steer = iconButton("steer", "Say it to the running turn (Ctrl+Enter)", () => this.submit("steer"));
  private readonly halt = iconButton("stop", "Stop (Escape)", () => this.listener.stop(), "halt");
  readonly element: HTMLElement;
  private mentions: Mention[] = [];
  private history: string[] = [];
  private place = 0;
  /** What stood in the prompt when the history was opened. */
  private unsent: Draft = { text: "", mentions: [] };
  private commands: CommandInfo[] = OWN;
  private isRunning = false;

  /** `beside` stands in the row of the buttons. */
  constructor(
    private readonly listener: Listener,
    ...beside: HTMLElement[]
  ) {
    const mention = iconButton("mention", "Mention a file, a symbol, the selection, problems (@)", () =>
      this.type("@"),
    );
    const command = iconButton("command", "Commands (/)", () => this.type("/"));
    this.element = h(
      "div",
      { class: "prompt-box" },
      this.menu.element,
      this.chips,
      this.area,
      h(
        "div",
        { class: "tools" },
        mention,
        command,
        ...beside,
        h("span", { class: "gap" }),
        this.halt,
        this.steer,
        this.send,
      ),
    );
    this.area.addEventListener("keydown", (event) => this.key(event));
    this.area.addEventListener("input", () => this.changed());
    this.area.addEventListener("blur", () => this.menu.close());
    this.area.addEventListener("paste", (event) => this.files(event, event.clipboardData));
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => this.files(event, event.dataTransfer));
    this.running(false);
  }

  running(is: boolean): void {
    this.isRunning = is;
    this.area.placeholder = is
      ? "Enter: say it after this turn. Ctrl+Enter: say it now"
      : "Ask, or say what to do. @ to mention, / for commands";
    this.send.title = is ? "Send when this turn has ended (Enter)" : "Send (Enter)";
    this.send.setAttribute("aria-label", this.send.title);
    this.showButtons();
  }

  focus(): void {
    this.area.focus();
  }

  restore(draft: Draft, history: string[]): void {
    this.area.value = draft.text;
    this.mentions = draft.mentions;
    this.remember(history);
    this.showChips();
  }

  /** Adds what was said before to the history, the oldest first. */
  remember(said: string[]): void {
    this.history = [...new Set([...this.history, ...said].toReversed())].slice(0, REMEMBERED).toReversed();
    this.place = this.history.length;
  }

  get remembered(): string[] {
    return this.history;
  }

  insert(blocks: ContentBlock[]): void {
    for (const block of blocks) {
      if (block.type === "text") {
        this.area.value = this.area.value === "" ? block.text : `${this.area.value} ${block.text}`;
      } else {
        this.mentions.push({ block });
      }
    }
    this.showChips();
  }

  offer(commands: CommandInfo[]): void {
    const names = new Set(commands.map(({ name }) => name));
    this.commands = [...commands, ...OWN.filter(({ name }) => !names.has(name))];
    if (this.commandQuery() !== undefined) {
      this.suggestCommands();
    }
  }

  suggest(items: Completion[]): void {
    if (this.query() === undefined) {
      return;
    }
    this.menu.show(
      items.map(({ label, detail, block }) => ({
        label,
        detail,
        icon: blockIcon(block),
        choose: () => this.choose(block),
      })),
    );
  }

  private submit(how: How): void {
    const text = this.area.value.trim();
    if (text === "" && this.mentions.length === 0) {
      return;
    }
    this.menu.close();
    const own = /^\/(\w+)$/.exec(text)?.[1];
    if (own !== undefined && this.commands.some(({ name, source }) => name === own && source === "view")) {
      this.clear();
      this.listener.command(own);
      return;
    }
    const prompt = this.mentions.map(({ block }) => block);
    if (text !== "") {
      prompt.push({ type: "text", text });
      this.remember([text]);
    }
    this.clear();
    this.listener.say(prompt, how);
  }

  private clear(): void {
    this.area.value = "";
    this.mentions = [];
    this.showChips();
  }

  private key(event: KeyboardEvent): void {
    if (event.isComposing || this.menu.key(event)) {
      return;
    }
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      this.submit(event.ctrlKey || event.metaKey ? "steer" : "queue");
    } else if (event.key === "ArrowUp" && this.area.selectionEnd === 0) {
      this.recall(-1, event);
    } else if (event.key === "ArrowDown" && this.area.selectionStart === this.area.value.length) {
      this.recall(1, event);
    } else if (event.key === "Escape" && this.isRunning) {
      event.preventDefault();
      this.listener.stop();
    } else if (event.key === "Backspace" && this.area.value === "" && this.mentions.length > 0) {
      this.mentions.pop();
      this.showChips();
    }
  }

  private recall(step: number, event: KeyboardEvent): void {
    const place = this.place + step;
    if (place < 0 || place > this.history.length) {
      return;
    }
    event.preventDefault();
    if (this.place === this.history.length) {
      this.unsent = { text: this.area.value, mentions: this.mentions };
    }
    this.place = place;
    const { text, mentions } =
      place < this.history.length ? { text: this.history[place] ?? "", mentions: [] } : this.unsent;
    this.area.value = text;
    this.mentions = mentions;
    // Up goes on from the beginning, down from the end.
    const at = step < 0 ? 0 : this.area.value.length;
    this.area.setSelectionRange(at, at);
    this.showChips();
  }

  /** As if it were typed. */
  private type(sign: string): void {
    this.area.focus();
    const { selectionStart, selectionEnd, value } = this.area;
    const gap = sign === "@" && selectionStart > 0 && !/\s$/.test(value.slice(0, selectionStart)) ? " " : "";
    if (sign === "/" && value !== "") {
      return;
    }
    this.area.setRangeText(gap + sign, selectionStart, selectionEnd, "end");
    this.changed();
  }

  private changed(): void {
    const { value } = this.area;
    const kept = this.mentions.filter(({ token }) => token === undefined || value.includes(token));
    if (kept.length < this.mentions.length) {
      this.mentions = kept;
    }
    this.showChips();
    const query = this.query();
    if (this.commandQuery() !== undefined) {
      if (value === "/") {
        this.listener.listCommands();
      }
      this.suggestCommands();
    } else if (query === undefined) {
      this.menu.close();
    } else {
      this.listener.complete(query);
    }
  }

  /** What was typed of a mention. */
  private query(): string | undefined {
    return /(?:^|[\s(])@([^\s@]*)$/.exec(this.area.value.slice(0, this.area.selectionStart))?.[1];
  }

  /** What was typed of a command's name. */
  private commandQuery(): string | undefined {
    return /^\/([\w.:-]*)$/.exec(this.area.value.slice(0, this.area.selectionStart))?.[1];
  }

  private suggestCommands(): void {
    const query = this.commandQuery()?.toLowerCase() ?? "";
    const found = this.commands.filter(({ name }) => name.toLowerCase().includes(query));
    found.sort((left, right) => Number(right.name.startsWith(query)) - Number(left.name.startsWith(query)));
    this.menu.show(
      found.map((command) => ({
        label: `/${command.name}${command.arguments === undefined ? "" : ` ${command.arguments}`}`,
        detail: command.description,
        icon: "command",
        choose: () => {
          if (command.source === "view") {
            this.clear();
            this.listener.command(command.name);
          } else {
            this.area.value = `/${command.name} `;
            this.changed();
          }
        },
      })),
    );
  }

  private choose(block: ContentBlock): void {
    const query = this.query();
    if (query === undefined) {
      return;
    }
    const end = this.area.selectionStart;
    const start = end - query.length - 1;
    const token = `@${blockName(block)}`;
    this.area.setRangeText(`${token} `, start, end, "end");
    this.mentions = [...this.mentions.filter((mention) => mention.token !== token), { block, token }];
    this.changed();
  }

  private files(event: Event, data: DataTransfer | null): void {
    const images = [...(data?.files ?? [])].filter(({ type }) => type.startsWith("image/"));
    const uris = event.type === "drop" ? (data?.getData("text/uri-list") ?? "").split(/\r?\n/).filter(isFile) : [];
    if (images.length === 0 && uris.length === 0) {
      return;
    }
    event.preventDefault();
    this.mentions.push(...uris.map((path) => ({ block: { type: "file" as const, path } })));
    this.showChips();
    for (const image of images) {
      imageBlock(image).then(
        (block) => this.insert([block]),
        () => this.listener.failed("This image cannot be read. PNG, JPEG, GIF and WebP can be."),
      );
    }
  }

  private showChips(): void {
    this.chips.replaceChildren(...this.mentions.map((mention) => this.chip(mention)));
    this.fit();
    this.showButtons();
    this.listener.keep({ text: this.area.value, mentions: this.mentions });
  }

  private chip(mention: Mention): HTMLElement {
    const name = blockName(mention.block);
    const remove = () => {
      this.mentions = this.mentions.filter((other) => other !== mention);
      if (mention.token !== undefined) {
        this.area.value = this.area.value.replace(mention.token, mention.token.slice(1));
      }
      this.showChips();
      this.area.focus();
    };
    const attributes = { type: "button", class: "chip", title: `Remove ${name}`, "aria-label": `Remove ${name}` };
    const { block } = mention;
    const picture =
      block.type === "image"
        ? h("img", { src: `data:${block.mediaType};base64,${block.data}`, alt: "" })
        : svg(blockIcon(block));
    return h("button", { ...attributes, onclick: remove }, picture, name, svg("close"));
  }

  private showButtons(): void {
    const isEmpty = this.area.value.trim() === "" && this.mentions.length === 0;
    this.send.disabled = isEmpty;
    this.halt.hidden = !this.isRunning;
    this.steer.hidden = !this.isRunning || isEmpty;
    this.send.hidden = this.isRunning && isEmpty;
  }

  /** As high as what is written, up to the limit of the style sheet. */
  private fit(): void {
    this.area.style.height = "0";
    this.area.style.height = `${this.area.scrollHeight}px`;
  }
}

function isFile(uri: string): boolean {
  return uri.startsWith("file:");
}
