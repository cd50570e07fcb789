// What a program printed, however much: only the lines in sight are in the document.

import { h, iconButton } from "./dom";
import { bytes } from "./format";
import type { Part } from "./frames";

/** A longer line is shown in pieces of this many characters. */
const LINE = 2000;
/** Lines beyond those in sight, so that scrolling shows no gap. */
const MARGIN = 30;
/** The most lines in sight before it scrolls. */
const HEIGHT = 18;
const FALLBACK_LINE_HEIGHT = 18;

// Colours and cursor movements mean nothing here.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

export class Output implements Part {
  private readonly window = h("pre", { class: "window" });
  private readonly field = h("div", { class: "field" }, this.window);
  private readonly scroller = h(
    "div",
    { class: "output", tabindex: "0", role: "region", "aria-label": "Output", onscroll: () => this.draw() },
    this.field,
  );
  private readonly caption = h("span", {});
  readonly element = h(
    "div",
    { class: "output-box", hidden: true },
    h(
      "div",
      { class: "bar" },
      this.caption,
      iconButton("copy", "Copy the output", () => this.on.copy(this.text)),
      iconButton("open", "Open the output in an editor", () => this.on.open(this.text)),
    ),
    this.scroller,
  );
  private pieces: string[] = [];
  private length = 0;
  private lines: string[] = [""];
  private widest = 0;
  private isAtEnd = true;
  private drawn = { first: -1, last: -1, count: -1 };

  constructor(private readonly on: { copy(text: string): void; open(text: string): void }) {}

  get text(): string {
    return this.pieces.join("");
  }

  append(more: string): void {
    this.pieces.push(more);
    this.length += more.length;
    const lines = more.replaceAll(CONTROL, "").split("\n");
    for (const [index, line] of lines.entries()) {
      if (index > 0) {
        this.lines.push("");
      }
      this.extend(line);
    }
  }

  set(text: string): void {
    this.pieces = [];
    this.length = 0;
    this.lines = [""];
    this.widest = 0;
    this.drawn = { first: -1, last: -1, count: -1 };
    this.append(text);
  }

  render(): void {
    const count = this.count();
    this.element.hidden = this.length === 0;
    const lines = count === 1 ? "1 line" : `${count.toLocaleString()} lines`;
    this.caption.textContent = this.length > 10_000 ? `${lines}, ${bytes(this.length)}` : lines;
    this.scroller.setAttribute("aria-label", `Output, ${lines}`);
    const height = this.lineHeight();
    this.scroller.style.height = `${Math.min(count, HEIGHT) * height + 12}px`;
    this.field.style.height = `${count * height}px`;
    this.field.style.width = `${this.widest}ch`;
    if (this.isAtEnd) {
      this.scroller.scrollTop = count * height;
    }
    this.draw();
  }

  private extend(text: string): void {
    let last = `${this.lines.at(-1)}${text}`;
    // A carriage return writes the line anew, as a progress bar does.
    const back = last.lastIndexOf("\r", last.length - 2);
    if (back >= 0) {
      last = last.slice(back + 1);
    }
    while (last.length > LINE) {
      this.lines[this.lines.length - 1] = last.slice(0, LINE);
      this.lines.push("");
      this.widest = LINE;
      last = last.slice(LINE);
    }
    this.lines[this.lines.length - 1] = last;
    this.widest = Math.max(this.widest, last.length);
  }

  /** Without the empty line after the last line's end. */
  private count(): number {
    return this.lines.at(-1) === "" && this.lines.length > 1 ? this.lines.length - 1 : this.lines.length;
  }

  private draw(): void {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    const height = this.lineHeight();
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < height;
    const count = this.count();
    const first = Math.max(0, Math.floor(scrollTop / height) - MARGIN);
    const last = Math.min(count, Math.ceil((scrollTop + clientHeight) / height) + MARGIN);
    if (first === this.drawn.first && last === this.drawn.last && count === this.drawn.count && last < count) {
      return;
    }
    this.drawn = { first, last, count };
    this.window.style.transform = `translateY(${first * height}px)`;
    this.window.textContent = this.lines.slice(first, last).join("\n");
  }

  private lineHeight(): number {
    const height = Number.parseFloat(getComputedStyle(this.window).lineHeight);
    return Number.isFinite(height) && height > 0 ? height : FALLBACK_LINE_HEIGHT;
  }
}
