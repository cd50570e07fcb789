// A change of a file, hunk by hunk.

import type { FileDiff, Hunk } from "../src/protocol";
import { h } from "./dom";
import { baseName } from "./format";

/** A longer diff is folded to this many lines until somebody wants the rest. */
const SHOWN = 300;

export function countChanges(diff: FileDiff): { added: number; removed: number } {
  const count = { added: 0, removed: 0 };
  for (const line of diff.hunks.flatMap((hunk) => hunk.text.split("\n"))) {
    if (line.startsWith("+")) {
      count.added += 1;
    } else if (line.startsWith("-")) {
      count.removed += 1;
    }
  }
  return count;
}

export function changeCount(diff: FileDiff): HTMLElement {
  const { added, removed } = countChanges(diff);
  return h(
    "span",
    { class: "change-count", "aria-label": `${added} lines added, ${removed} removed` },
    h("span", { class: "plus" }, `+${added}`),
    h("span", { class: "minus" }, `−${removed}`),
  );
}

/**
 * Draws a diff. `head` is put before each hunk, to choose it, for example.
 */
export function renderDiff(
  diff: FileDiff,
  openFile: (path: string, line: number) => void,
  head?: (index: number) => HTMLElement,
): HTMLElement {
  const first = diff.hunks[0]?.newStart ?? 1;
  const open = () => openFile(diff.path, first);
  const element = h(
    "div",
    { class: "diff" },
    h(
      "div",
      { class: "bar" },
      h("button", { type: "button", class: "link", title: diff.path, onclick: open }, baseName(diff.path)),
      changeCount(diff),
    ),
  );
  let left = SHOWN;
  const folded: (() => void)[] = [];
  for (const [index, hunk] of diff.hunks.entries()) {
    const place = h("div", { class: "hunk", tabindex: "0", role: "group", "aria-label": spoken(hunk, index, diff) });
    const lines = hunk.text.replace(/\n$/, "").split("\n");
    if (lines.length <= left) {
      place.append(drawn(hunk, lines));
    } else {
      folded.push(() => place.append(drawn(hunk, lines)));
    }
    left -= lines.length;
    if (head !== undefined) {
      element.append(head(index));
    }
    element.append(place);
  }
  if (folded.length > 0) {
    const more = h("button", { type: "button", class: "more" }, "Show the whole change");
    more.addEventListener("click", () => {
      more.remove();
      for (const draw of folded) {
        draw();
      }
    });
    element.append(more);
  }
  return element;
}

function spoken(hunk: Hunk, index: number, diff: FileDiff): string {
  return `Change ${index + 1} of ${diff.hunks.length}, at line ${hunk.newStart}`;
}

function drawn(hunk: Hunk, lines: string[]): HTMLElement {
  const element = h("pre", { class: "lines" });
  let before = hunk.oldStart;
  let after = hunk.newStart;
  for (let index = 0; index < lines.length; index += 1) {
    const line = lines[index] ?? "";
    const text = line.slice(1);
    if (line.startsWith("-")) {
      // Removed lines that are followed by as many added ones are taken for lines that changed.
      const removed = run(lines, index, "-");
      const addition = run(lines, index + removed, "+");
      for (let offset = 0; offset < removed; offset += 1) {
        const old = (lines[index + offset] ?? "").slice(1);
        const pair = removed === addition ? (lines[index + removed + offset] ?? "").slice(1) : undefined;
        element.append(row("removed", before, "−", marked(old, pair)));
        before += 1;
      }
      for (let offset = 0; offset < addition; offset += 1) {
        const fresh = (lines[index + removed + offset] ?? "").slice(1);
        const pair = removed === addition ? (lines[index + offset] ?? "").slice(1) : undefined;
        element.append(row("added", after, "+", marked(fresh, pair)));
        after += 1;
      }
      index += removed + addition - 1;
    } else if (line.startsWith("+")) {
      element.append(row("added", after, "+", [text]));
      after += 1;
    } else if (line.startsWith("\\")) {
      element.append(row("same", undefined, "", [text.trim()]));
    } else {
      element.append(row("same", after, " ", [text]));
      before += 1;
      after += 1;
    }
  }
  return element;
}

function run(lines: string[], from: number, sign: string): number {
  let count = 0;
  while (lines[from + count]?.startsWith(sign) === true) {
    count += 1;
  }
  return count;
}

function row(kind: string, line: number | undefined, sign: string, text: (Node | string)[]): HTMLElement {
  return h(
    "div",
    { class: kind },
    h("span", { class: "number", "aria-hidden": "true" }, line === undefined ? "" : String(line)),
    h("span", { class: "sign" }, sign),
    h("span", { class: "text" }, ...text, "\n"),
  );
}

/** A line, with what it does not share with its pair set off. */
function marked(text: string, pair: string | undefined): (Node | string)[] {
  if (pair === undefined || text === pair) {
    return [text];
  }
  const most = Math.min(text.length, pair.length);
  let start = 0;
  while (start < most && text[start] === pair[start]) {
    start += 1;
  }
  let end = 0;
  while (end < most - start && text[text.length - 1 - end] === pair[pair.length - 1 - end]) {
    end += 1;
  }
  // Lines that share next to nothing are two lines, not one that changed.
  if (start + end < text.length / 3 || start + end === text.length) {
    return [text];
  }
  const changed = h("mark", {}, text.slice(start, text.length - end));
  return [text.slice(0, start), changed, text.slice(text.length - end)];
}
