// What a prompt can point at.

import * as vscode from "vscode";
import type { Completion } from "./messages";
import type { ContentBlock } from "./protocol";

/** The lines of the editor's selection, or the line of its cursor. */
export function selection(editor: vscode.TextEditor): ContentBlock {
  const { document, selection } = editor;
  // A selection that ends before a line's first character does not mean that line.
  const endsBefore = !selection.isEmpty && selection.end.character === 0 && selection.end.line > selection.start.line;
  const last = endsBefore ? selection.end.line - 1 : selection.end.line;
  const lines = new vscode.Range(selection.start.line, 0, last, document.lineAt(last).text.length);
  return {
    type: "selection",
    path: document.uri.scheme === "file" ? document.uri.fsPath : document.uri.toString(),
    startLine: selection.start.line + 1,
    endLine: last + 1,
    text: document.getText(lines),
  };
}

/** What can be mentioned, for what was typed after an `@`. */
export async function complete(query: string): Promise<Completion[]> {
  const items: Completion[] = [];
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
  if (editor !== undefined && !editor.selection.isEmpty && "selection".startsWith(query.toLowerCase())) {
    items.push({ label: "selection", detail: "what is selected in the editor", block: selection(editor) });
  }
  return items;
}

/** A prompt as one line of text, for lists. */
export function promptText(prompt: ContentBlock[]): string {
  return prompt.map(blockText).join(" ").replaceAll(/\s+/g, " ").trim();
}

function blockText(block: ContentBlock): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "selection":
      return `@${vscode.workspace.asRelativePath(block.path)}:${block.startLine}-${block.endLine}`;
    default:
      return `[${block.type}]`;
  }
}
