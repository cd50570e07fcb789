// Looking at what a turn changed: a list beside the chat, all files in one editor, and what to keep or to take back.

import * as vscode from "vscode";
import { type Changes, hunksOf, type Place, rangeOf, shown, standsOn } from "./changes";
import type { ChangeHunk, FileChange } from "./protocol";

const BEFORE_TURN = "pillion-before-turn";

type Item = { change: FileChange; hunk?: ChangeHunk };

export class Review implements vscode.Disposable, vscode.TreeDataProvider<Item>, vscode.TextDocumentContentProvider {
  private readonly treeChanged = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.treeChanged.event;
  private readonly view: vscode.TreeView<Item>;
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly changes: Changes) {
    this.view = vscode.window.createTreeView("pillion.changes", { treeDataProvider: this });
    const commands: Record<string, (...given: never[]) => unknown> = {
      review: (given?: unknown) => this.review(uriOf(given)),
      open: (item: Item) => this.open(item),
      keep: (given?: unknown) => this.each(given, (place) => this.changes.keep([place])),
      revert: (given?: unknown) => this.each(given, ({ hunk }) => this.changes.revert({ hunks: [hunk.id] })),
      keepFile: (given?: unknown) => this.file(given, (uri) => this.changes.keep(this.changes.unseen(uri))),
      revertFile: (given?: unknown) => this.file(given, (uri) => this.changes.revert(this.inTurn(uri))),
      keepTurn: () => this.keepTurn(),
      revertTurn: () => this.revertTurn(),
      next: () => this.next(),
    };
    this.subscriptions = [
      this.view,
      this.treeChanged,
      vscode.workspace.registerTextDocumentContentProvider(BEFORE_TURN, this),
      changes.onChanged(() => this.show()),
      ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`pillion.change.${name}`, run)),
    ];
  }

  getChildren(item?: Item): Item[] {
    if (item === undefined) {
      return this.files();
    }
    return item.hunk === undefined ? hunksOf(item.change).map((hunk) => ({ change: item.change, hunk })) : [];
  }

  getTreeItem({ change, hunk }: Item): vscode.TreeItem {
    const uri = vscode.Uri.parse(change.uri);
    if (hunk === undefined) {
      const item = new vscode.TreeItem(uri, vscode.TreeItemCollapsibleState.Collapsed);
      item.description = KINDS[change.kind] ?? "";
      item.contextValue = "file";
      item.id = change.uri;
      item.command = { title: "Show Changes", command: "pillion.change.review", arguments: [change.uri] };
      return item;
    }
    const first = (hunk.new || hunk.old).split("\n").find((line) => line.trim() !== "") ?? "";
    const item = new vscode.TreeItem(first.trim() || "(blank lines)");
    const place = `line ${rangeOf(hunk).start.line + 1}`;
    item.description = hunk.state === "changedSince" ? `${place}, changed since` : place;
    item.contextValue = "hunk";
    item.id = hunk.id;
    item.command = { title: "Go There", command: "pillion.change.open", arguments: [{ change, hunk }] };
    return item;
  }

  /** The text of a file before the turn. */
  async provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
    const { turnId, of } = JSON.parse(uri.query) as { turnId: string; of: string };
    return (await this.changes.text(turnId, of)).before;
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private files(): Item[] {
    return (this.changes.turn?.changes ?? []).map((change) => ({ change }));
  }

  private show(): void {
    const files = this.files();
    void vscode.commands.executeCommand("setContext", "pillion.hasChanges", files.length > 0);
    this.view.badge = undefined;
    this.view.description = files.length === 0 ? "" : "of the last turn";
    this.treeChanged.fire(undefined);
  }

  /** All files of the turn side by side with what they were, or one of them. */
  private async review(only?: string): Promise<void> {
    const turnId = this.changes.turn?.turnId;
    const files = this.files().filter(({ change }) => only === undefined || change.uri === only);
    if (turnId === undefined || files.length === 0) {
      void vscode.window.showInformationMessage("Pillion: no change of this session stands.");
      return;
    }
    const before = ({ uri }: FileChange) =>
      vscode.Uri.from({
        scheme: BEFORE_TURN,
        path: vscode.Uri.parse(uri).path,
        query: JSON.stringify({ turnId, of: uri }),
      });
    const [first] = files;
    // What was deleted has no text to stand on the right.
    if (files.length === 1 && first !== undefined && first.change.kind !== "delete") {
      const now = vscode.Uri.parse(first.change.uri);
      await vscode.commands.executeCommand(
        "vscode.diff",
        before(first.change),
        now,
        `${shown(first.change.uri)} (turn)`,
      );
      return;
    }
    const resources = files.map(({ change }) => {
      const now = vscode.Uri.parse(change.uri);
      return [now, change.kind === "create" ? undefined : before(change), change.kind === "delete" ? undefined : now];
    });
    await vscode.commands.executeCommand("vscode.changes", "Pillion: changes of this turn", resources);
  }

  private async open({ change, hunk }: Item): Promise<void> {
    const options = hunk === undefined ? {} : { selection: new vscode.Range(rangeOf(hunk).start, rangeOf(hunk).start) };
    await vscode.window.showTextDocument(vscode.Uri.parse(change.uri), options);
  }

  /** The hunk that is meant: by its id, by its row, or the one at the cursor. */
  private async each(given: unknown, run: (place: Place) => unknown): Promise<void> {
    const all = this.changes.all;
    const id = typeof given === "string" ? given : (given as Item | undefined)?.hunk?.id;
    const editor = vscode.window.activeTextEditor;
    const item =
      id === undefined
        ? all.find(
            ({ change, hunk }) =>
              editor !== undefined &&
              vscode.Uri.parse(change.uri).toString() === editor.document.uri.toString() &&
              standsOn(hunk, editor.selection.start.line, editor.selection.end.line),
          )
        : all.find(({ hunk }) => hunk.id === id);
    if (item === undefined) {
      void vscode.window.showInformationMessage("Pillion: there is no change of this session at the cursor.");
      return;
    }
    await run(item);
  }

  private async file(given: unknown, run: (uri: vscode.Uri) => unknown): Promise<void> {
    const named = uriOf(given);
    const uri = named === undefined ? vscode.window.activeTextEditor?.document.uri : vscode.Uri.parse(named);
    if (uri !== undefined) {
      await run(uri);
    }
  }

  private inTurn(uri: vscode.Uri): { turnId?: string; uri: string } {
    const named = this.files().find(({ change }) => vscode.Uri.parse(change.uri).toString() === uri.toString());
    const turnId = this.changes.turn?.turnId;
    return { ...(turnId === undefined ? {} : { turnId }), uri: named?.change.uri ?? uri.toString() };
  }

  private keepTurn(): void {
    this.changes.keep(this.files().flatMap(({ change }) => hunksOf(change).map((hunk) => ({ change, hunk }))));
  }

  private async revertTurn(): Promise<void> {
    const turn = this.changes.turn;
    if (turn === undefined) {
      return;
    }
    const count = new Set(turn.changes.map(({ uri }) => uri)).size;
    const files = count === 1 ? "one file" : `${count} files`;
    const sure = await vscode.window.showWarningMessage(
      `Take back what the last turn did to ${files}?`,
      { modal: true, detail: "What you changed since then stays." },
      "Revert",
    );
    if (sure === "Revert") {
      await this.changes.revert({ turnId: turn.turnId });
    }
  }

  /** Goes to the next change that was not seen, in this file or another. */
  private async next(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const here = editor?.document.uri.toString();
    const [first, ...others] = this.changes.unseenFiles;
    const uris = [first, ...others].filter((uri) => uri !== undefined);
    const ahead = uris
      .filter((uri) => uri.toString() === here)
      .flatMap((uri) => this.changes.unseen(uri))
      .find(({ hunk }) => editor !== undefined && rangeOf(hunk).start.line > editor.selection.active.line);
    const elsewhere = uris.filter((uri) => uri.toString() !== here || uris.length === 1);
    const target = ahead ?? elsewhere.flatMap((uri) => this.changes.unseen(uri))[0];
    if (target !== undefined) {
      await this.open(target);
      this.changes.keep([target]);
    }
  }
}

const KINDS: Record<string, string> = { create: "new", delete: "deleted", move: "moved" };

function uriOf(given: unknown): string | undefined {
  if (typeof given === "string" || given instanceof vscode.Uri) {
    return given.toString();
  }
  return (given as Item | undefined)?.change?.uri;
}
