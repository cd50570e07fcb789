// Markdown as it streams: what is finished is rendered once, only the last block is rendered again.

import MarkdownIt from "markdown-it";

// Raw HTML of a model stays text, and nothing is loaded: links open outside, images are shown as links.
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false });
markdown.renderer.rules["image"] = (tokens, index) => {
  const token = tokens[index];
  const source = markdown.utils.escapeHtml(String(token?.attrGet("src") ?? ""));
  return `<a href="${source}">${markdown.utils.escapeHtml(token?.content || source)}</a>`;
};
markdown.renderer.rules["fence"] = (tokens, index) => {
  const token = tokens[index];
  const language = markdown.utils.escapeHtml(token?.info.trim().split(/\s+/)[0] ?? "");
  const code = markdown.utils.escapeHtml(token?.content ?? "");
  return (
    `<figure class="code"><figcaption><span>${language}</span>` +
    `<button data-code="copy" title="Copy this code">Copy</button>` +
    `<button data-code="insert" title="Put this code in place of the editor's selection">Insert</button></figcaption>` +
    `<pre tabindex="0"><code>${code}</code></pre></figure>\n`
  );
};

/** A message that grows. */
export class StreamingMarkdown {
  private done = 0;
  private text = "";
  private readonly tail = document.createElement("div");

  constructor(element: HTMLElement) {
    element.append(this.tail);
  }

  append(more: string): void {
    this.text += more;
  }

  /** Brings what is shown up to what was appended. */
  render(): void {
    const end = finished(this.text, this.done);
    if (end > this.done) {
      const block = document.createElement("div");
      block.className = "block";
      block.innerHTML = markdown.render(this.text.slice(this.done, end));
      this.tail.before(block);
      this.done = end;
    }
    this.tail.innerHTML = markdown.render(this.text.slice(this.done));
  }
}

/** Up to where the text cannot change its look any more: the last blank line that is not within a fence or a list. */
export function finished(text: string, from: number): number {
  let end = from;
  let fence = "";
  let isBlank = false;
  let at = from;
  while (at < text.length) {
    const stop = text.indexOf("\n", at);
    if (stop < 0) {
      break;
    }
    const line = text.slice(at, stop);
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? "";
    if (fence !== "") {
      if (mark.startsWith(fence) && line.trim() === mark) {
        fence = "";
      }
    } else if (mark !== "") {
      fence = mark;
    }
    // What is indented or a list item may belong to the block before the blank line.
    if (isBlank && fence === "" && /^[^\s\-*+\d>|]/.test(line) && mark === "") {
      end = at;
    }
    isBlank = line.trim() === "" && fence === "";
    at = stop + 1;
  }
  return end;
}

export function renderMarkdown(element: HTMLElement, text: string): void {
  element.innerHTML = markdown.render(text);
}
