// What the person has before them, for the model.

import * as vscode from "vscode";
import type { ActiveDocument, EditorContextResponse, VisibleDocument } from "./protocol";

/** The documents that are visible and open, and where in the active one the person is. */
export function focus(): EditorContextResponse {
  const visible = vscode.window.visibleTextEditors.filter(({ document }) => isDocument(document.uri));
  const { activeTextEditor } = vscode.window;
  // A panel or an output has the focus: then what is shown beside it.
  const editor =
    activeTextEditor !== undefined && isDocument(activeTextEditor.document.uri) ? activeTextEditor : visible[0];
  return {
    ...(editor === undefined ? {} : { active: active(editor) }),
    visible: visible.map(shown),
    open: [...new Set(tabs().filter(isDocument).map(String))],
  };
}

function active({ document, selection }: vscode.TextEditor): ActiveDocument {
  const { start, end } = selection;
  return {
    uri: document.uri.toString(),
    version: document.version,
    cursor: { line: selection.active.line, column: selection.active.character },
    ...(selection.isEmpty
      ? {}
      : {
          selection: {
            startLine: start.line,
            startColumn: start.character,
            endLine: end.line,
            endColumn: end.character,
            text: document.getText(selection),
          },
        }),
  };
}

/** From the first line to the last, with what is folded between them. */
function shown({ document, visibleRanges }: vscode.TextEditor): VisibleDocument {
  return {
    uri: document.uri.toString(),
    startLine: visibleRanges[0]?.start.line ?? 0,
    endLine: visibleRanges.at(-1)?.end.line ?? 0,
  };
}

function tabs(): vscode.Uri[] {
  return vscode.window.tabGroups.all
    .flatMap((group) => group.tabs)
    .flatMap(({ input }) => {
      if (input instanceof vscode.TabInputTextDiff) {
        return [input.modified];
      }
      const isOne =
        input instanceof vscode.TabInputText ||
        input instanceof vscode.TabInputNotebook ||
        input instanceof vscode.TabInputCustom;
      return isOne ? [input.uri] : [];
    });
}

/** What the server is shown too, so neither outputs nor the old side of a diff. */
function isDocument({ scheme }: vscode.Uri): boolean {
  return scheme === "file" || scheme === "untitled";
}
