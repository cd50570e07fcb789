// What the editor's language servers and linters say, for the model.

import * as vscode from "vscode";
import type { Diagnostic, EditorDiagnosticsParams, EditorDiagnosticsResponse } from "./protocol";

/**
 * The problems of these documents, or of all that have some. VS Code does not tell which version of a document they are
 * for, so nothing is said of that.
 */
export function diagnostics({ uris }: EditorDiagnosticsParams): EditorDiagnosticsResponse {
  const asked = uris?.map((uri): [vscode.Uri, vscode.Diagnostic[]] => {
    const parsed = vscode.Uri.parse(uri);
    return [parsed, vscode.languages.getDiagnostics(parsed)];
  });
  const files = (asked ?? vscode.languages.getDiagnostics()).map(([uri, found]) => ({
    uri: uri.toString(),
    items: found.map(item),
  }));
  return { files: uris === undefined ? files.filter(({ items }) => items.length > 0) : files };
}

function item({ range, message, severity, source, code }: vscode.Diagnostic): Diagnostic {
  const value = typeof code === "object" ? code.value : code;
  return {
    range: { start: place(range.start), end: place(range.end) },
    message,
    // From 0 there, from 1 in the protocol.
    severity: severity + 1,
    ...(source === undefined ? {} : { source }),
    ...(value === undefined ? {} : { code: value }),
  };
}

function place({ line, character }: vscode.Position): { line: number; character: number } {
  return { line, character };
}
