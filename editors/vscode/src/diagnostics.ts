// What the editor's language servers and linters say, for the model.

import * as vscode from "vscode";
import type { Diagnostic, EditorDiagnosticsParams, EditorDiagnosticsResponse } from "./protocol";

export class Diagnostics implements vscode.Disposable {
  /**
   * Of open documents, by URI: the version that was there when something was last reported. VS Code does not tell which
   * one that is for.
   */
  private readonly checked = new Map<string, number>();
  private readonly subscriptions = [
    vscode.languages.onDidChangeDiagnostics(({ uris }) => this.note(uris)),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => this.checked.delete(uri.toString())),
  ];

  constructor() {
    this.note(vscode.languages.getDiagnostics().map(([uri]) => uri));
  }

  /** The problems of these documents, or of all; what nothing has reported on is left out. */
  of({ uris }: EditorDiagnosticsParams): EditorDiagnosticsResponse {
    const all = [...this.checked.keys(), ...vscode.languages.getDiagnostics().map(([uri]) => uri.toString())];
    const asked = uris?.map((uri) => vscode.Uri.parse(uri).toString()) ?? [...new Set(all)];
    const files = asked.map((uri) => {
      const version = this.checked.get(uri);
      const items = vscode.languages.getDiagnostics(vscode.Uri.parse(uri)).map(item);
      return { uri, items, ...(version === undefined ? {} : { version }) };
    });
    return { files: files.filter(({ version, items }) => version !== undefined || items.length > 0) };
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private note(uris: readonly vscode.Uri[]): void {
    const reported = new Set(uris.map(String));
    for (const { uri, version } of vscode.workspace.textDocuments) {
      if (reported.has(uri.toString())) {
        this.checked.set(uri.toString(), version);
      }
    }
  }
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
