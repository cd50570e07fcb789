// Marks of what the agent changed, in the editors: in the gutter, in the overview ruler, in the explorer, and with what can
// be done about it above the place. They go when the person has been there.

import * as vscode from "vscode";
import { type Changes, rangeOf, standsOn } from "./changes";

export class Marks implements vscode.Disposable, vscode.CodeLensProvider, vscode.FileDecorationProvider {
  private readonly lensesChanged = new vscode.EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.lensesChanged.event;
  private readonly filesChanged = new vscode.EventEmitter<undefined>();
  readonly onDidChangeFileDecorations = this.filesChanged.event;
  private readonly mark: vscode.TextEditorDecorationType;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    extensionUri: vscode.Uri,
    private readonly changes: Changes,
  ) {
    this.mark = vscode.window.createTextEditorDecorationType({
      isWholeLine: true,
      gutterIconPath: vscode.Uri.joinPath(extensionUri, "media", "changed.svg"),
      gutterIconSize: "contain",
      overviewRulerColor: new vscode.ThemeColor("pillion.changed"),
      overviewRulerLane: vscode.OverviewRulerLane.Left,
      backgroundColor: new vscode.ThemeColor("pillion.changedBackground"),
    });
    this.subscriptions = [
      this.lensesChanged,
      this.filesChanged,
      this.mark,
      vscode.languages.registerCodeLensProvider([{ scheme: "file" }, { scheme: "untitled" }], this),
      vscode.window.registerFileDecorationProvider(this),
      changes.onChanged(() => this.show()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.show()),
      vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
        // Not where a command or an edit put the cursor: that is no sign of the person.
        if (
          kind === vscode.TextEditorSelectionChangeKind.Mouse ||
          kind === vscode.TextEditorSelectionChangeKind.Keyboard
        ) {
          this.see(textEditor);
        }
      }),
    ];
  }

  provideCodeLenses(document: vscode.TextDocument): vscode.CodeLens[] {
    return this.changes.unseen(document.uri).flatMap(({ change, hunk }) => {
      const range = rangeOf(hunk);
      const lens = (title: string, command: string, ...given: unknown[]) =>
        new vscode.CodeLens(range, { title, command: `pillion.change.${command}`, arguments: given });
      return [
        lens("Keep", "keep", hunk.id),
        lens("Revert", "revert", hunk.id),
        lens("Show Changes", "review", change.uri),
      ];
    });
  }

  provideFileDecoration(uri: vscode.Uri): vscode.FileDecoration | undefined {
    const count = this.changes.unseen(uri).length;
    if (count === 0) {
      return undefined;
    }
    const places = count === 1 ? "one place" : `${count} places`;
    return new vscode.FileDecoration("P", `Pillion changed ${places}`, new vscode.ThemeColor("pillion.changed"));
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private show(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const hunks = this.changes.unseen(editor.document.uri);
      const hover = new vscode.MarkdownString("Changed by Pillion.");
      editor.setDecorations(
        this.mark,
        hunks.map(({ hunk }) => ({ range: rangeOf(hunk), hoverMessage: hover })),
      );
    }
    const files = this.changes.unseenFiles.map(({ fsPath }) => fsPath);
    void vscode.commands.executeCommand("setContext", "pillion.changedFiles", files);
    this.lensesChanged.fire();
    this.filesChanged.fire(undefined);
  }

  /** The person's cursor is at a change: it is seen. */
  private see({ document, selection }: vscode.TextEditor): void {
    const { line } = selection.active;
    const there = this.changes.unseen(document.uri).filter(({ hunk }) => standsOn(hunk, line, line));
    if (there.length > 0) {
      this.changes.keep(there);
    }
  }
}
