// Markdown as it streams: what is finished is rendered once, only the last block is rendered again.

import MarkdownIt from "markdown-it";
import type { Part } from "./frames";
import { highlighted } from "./highlight";

// Raw HTML of a model stays text, and nothing is loaded: links open outside, images are shown as links.
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false });
const { escapeHtml } = markdown.utils;

markdown.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const source = String(token?.attrGet("src") ?? "");
  const attributes = leadsTo(source).map(([name, value]) => `${name}="${escapeHtml(value)}"`);
  return `<a ${attributes.join(" ")}>${escapeHtml(token?.content || source)}</a>`;
};
markdown.renderer.rules["fence"] = (tokens, index) => {
  const token = tokens[index];
  return codeBlock(token?.info.trim().split(/\s+/)[0] ?? "", token?.content ?? "");
};
markdown.renderer.rules["code_block"] = (tokens, index) => codeBlock("", tokens[index]?.content ?? "");
markdown.renderer.rules["table_open"] = () => '<div class="table" tabindex="0"><table>';
markdown.renderer.rules["table_close"] = () => "</table></div>";
// The page allows no style within the text.
for (const name of ["th_open", "td_open"]) {
  markdown.renderer.rules[name] = (tokens, index) => {
    const token = tokens[index];
    const side = /text-align:(\w+)/.exec(String(token?.attrGet("style") ?? ""))?.[1];
    return side === undefined ? `<${token?.tag}>` : `<${token?.tag} class="${side}">`;
  };
}
markdown.renderer.rules["link_open"] = (tokens, index, options, _, renderer) => {
  const token = tokens[index];
  for (const [name, value] of leadsTo(String(token?.attrGet("href") ?? ""))) {
    token?.attrSet(name, value);
  }
  return renderer.renderToken(tokens, index, options);
};
// `src/main.rs:12` in backticks leads there.
markdown.renderer.rules["code_inline"] = (tokens, index) => {
  const text = tokens[index]?.content ?? "";
  const code = `<code>${escapeHtml(text)}</code>`;
  return PLACE.test(text)
    ? `<a href="#" data-place="${escapeHtml(text)}" title="Open ${escapeHtml(text)}">${code}</a>`
    : code;
};

const PLACE = /^(?:[\w.@-]+[\\/])*[\w.@-]*[A-Za-z_]\.[A-Za-z]\w{0,9}(?::\d+(?:[-:]\d+)?)?$|^(?:[\w.@-]+\/)+[\w.@-]+$/;

/** A link's attributes: what leads to no page of the web leads to a file. */
function leadsTo(target: string): [string, string][] {
  if (/^(?:https?|mailto):/i.test(target)) {
    return [["href", target]];
  }
  const place = decoded(target)
    .replace(/^file:\/\//, "")
    .replace(/#L(\d+).*$/, ":$1");
  return [
    ["href", "#"],
    ["data-place", place],
  ];
}

function codeBlock(language: string, code: string): string {
  const name = escapeHtml(language);
  const button = (what: string, word: string, title: string) =>
    `<button type="button" data-code="${what}" title="${title}">${word}</button>`;
  return (
    `<figure class="code" data-language="${name}"><figcaption><span>${name}</span>` +
    button("copy", "Copy", "Copy this code") +
    button("insert", "Insert", "Insert this code at the editor's cursor") +
    button("apply", "Apply", "Have Pillion work this code into the file that is open") +
    `</figcaption><pre tabindex="0"><code>${highlighted(code, language) ?? escapeHtml(code)}</code></pre></figure>\n`
  );
}

function decoded(target: string): string {
  try {
    return decodeURI(target);
  } catch {
    return target;
  }
}

export function renderMarkdown(element: HTMLElement, text: string): void {
  element.innerHTML = markdown.render(text);
}

/** A message that grows. */
export class StreamingMarkdown implements Part {
  /** All of it, in pieces. */
  private readonly pieces: string[] = [];
  /** What is not finished. */
  private pending = "";
  private readonly blocks = new Blocks();
  private readonly tail = document.createElement("div");
  /** The code block that is being written, and how much of `pending` it shows. */
  private code: { text: Text; shown: number } | undefined;

  constructor(private readonly element: HTMLElement) {
    this.tail.className = "block tail";
    element.append(this.tail);
  }

  get text(): string {
    return this.pieces.join("");
  }

  append(more: string): void {
    this.pieces.push(more);
    this.pending += more;
  }

  /** Nothing follows: what is open is closed. */
  end(): void {
    const end = this.blocks.scan(this.pending);
    if (end > 0) {
      this.finish(end);
    }
    if (this.pending !== "") {
      this.finish(this.pending.length);
    }
    this.tail.remove();
  }

  render(): void {
    if (!this.tail.isConnected) {
      return;
    }
    const end = this.blocks.scan(this.pending);
    if (end > 0) {
      this.finish(end);
    }
    const fence = this.blocks.openFence;
    if (fence === undefined) {
      this.code = undefined;
      this.tail.innerHTML = markdown.render(this.pending);
      return;
    }
    // Rendering a long code block again for each line would cost the square of its length.
    if (this.code === undefined) {
      this.tail.innerHTML = codeBlock(fence.language, "");
      const code = this.tail.querySelector("code");
      this.code = { text: document.createTextNode(""), shown: fence.start };
      code?.append(this.code.text);
    }
    this.code.text.appendData(this.pending.slice(this.code.shown, this.blocks.scanned));
    this.code.shown = this.blocks.scanned;
  }

  private finish(end: number): void {
    const block = document.createElement("div");
    block.className = "block";
    block.innerHTML = markdown.render(this.pending.slice(0, end));
    if (this.tail.isConnected) {
      this.tail.before(block);
    } else {
      this.element.append(block);
    }
    this.pending = this.pending.slice(end);
    this.blocks.cut(end);
    this.code = undefined;
  }
}

/** Finds where blocks end, looking at each line once. */
export class Blocks {
  /** Up to here, lines were looked at. */
  scanned = 0;
  /** A code block at the beginning of the text that is not closed yet: what is said of its language, and where its
   * code begins. */
  openFence: { language: string; start: number } | undefined;
  private fence = "";
  private wasBlank = false;

  /** Up to where the text cannot change its look any more; 0 if that is nowhere. */
  scan(text: string): number {
    let end = 0;
    for (;;) {
      const stop = text.indexOf("\n", this.scanned);
      if (stop < 0) {
        return end;
      }
      const start = this.scanned;
      const line = text.slice(start, stop);
      this.scanned = stop + 1;
      const opening = /^( {0,3})(`{3,}|~{3,})\s*([^`]*)$/.exec(line);
      const mark = opening?.[2] ?? "";
      if (this.fence !== "") {
        if (mark.startsWith(this.fence) && line.trim() === mark) {
          this.fence = "";
          if (this.openFence !== undefined) {
            this.openFence = undefined;
            end = this.scanned;
          }
        }
        this.wasBlank = false;
        continue;
      }
      if (mark !== "") {
        this.fence = mark;
        // One that is not indented belongs to no list, and ends what is before it.
        if (opening?.[1] === "") {
          end = start;
          this.openFence = { language: opening[3]?.trim().split(/\s+/)[0] ?? "", start: this.scanned };
        }
        this.wasBlank = false;
        continue;
      }
      // What is indented or a list's item may belong to the block before the blank line.
      if (this.wasBlank && /^[^\s\-*+\d>|]/.test(line)) {
        end = start;
      }
      this.wasBlank = line.trim() === "";
    }
  }

  /** The text before `end` is gone. */
  cut(end: number): void {
    this.scanned = Math.max(0, this.scanned - end);
    if (this.openFence !== undefined) {
      this.openFence.start = Math.max(0, this.openFence.start - end);
    }
  }
}
