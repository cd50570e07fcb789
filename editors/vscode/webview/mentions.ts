// What a prompt points to: how it is called, and where it leads.

import type { ContentBlock } from "../src/protocol";
import type { IconName } from "./dom";
import { baseName } from "./format";

export function blockName(block: ContentBlock): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "command":
      return `/${block.name}`;
    case "file":
      return baseName(block.path);
    case "folder":
      return `${baseName(block.path)}/`;
    case "comment":
      return block.text;
    case "range":
    case "selection":
      return `${baseName(block.path)}:${lines(block.startLine, block.endLine)}`;
    case "symbol":
      return block.name;
    case "diagnostics":
      return block.problems.length === 1 ? "1 problem" : `${block.problems.length} problems`;
    case "url":
      return block.url.replace(/^https?:\/\//, "");
    case "resource":
      return baseName(block.uri);
    case "image":
      return "image";
  }
}

function lines(start: number, end: number): string {
  return start === end ? String(start) : `${start}-${end}`;
}

export function blockIcon(block: ContentBlock): IconName {
  switch (block.type) {
    case "folder":
      return "folder";
    case "range":
    case "selection":
      return "selection";
    case "symbol":
      return "symbol";
    case "diagnostics":
      return "warning";
    case "url":
      return "network";
    case "image":
      return "image";
    case "command":
      return "command";
    default:
      return "file";
  }
}

/** What to open for it. */
export function blockPlace(block: ContentBlock): { path: string; line?: number } | undefined {
  switch (block.type) {
    case "file":
      return { path: block.path };
    case "range":
    case "selection":
    case "symbol":
      return { path: block.path, line: block.startLine };
    case "diagnostics": {
      const first = block.problems[0];
      return first === undefined ? undefined : { path: first.path, line: first.line };
    }
    default:
      return undefined;
  }
}
