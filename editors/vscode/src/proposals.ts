// An edit that waits for the person, in VS Code's own diff editor. Its right side can be changed: what is reverted there
// is left out, and what is written there is what the call does when it is allowed.

import * as vscode from "vscode";
import type { Approvals } from "./approvals";
import { alone, fitted, type Reading, readHunks, replacement, withHunks } from "./hunks";
import type { Approval, ApprovalDecision, FileDiff, Hunk } from "./protocol";

const BEFORE = "pillion-before";
const PROPOSED = "pillion-proposed";

/** An edit that was shown. */
interface Proposal {
  approval: Approval;
  /** Where they stand in `before`. */
  hunks: Hunk[];
  before: string;
  /** With all hunks. */
  after: string;
  /** The right side as it was last saved. */
  saved: Uint8Array;
  right: vscode.Uri;
  /** Whether what is written over it can be what the call does. */
  isOpen: boolean;
}

export class Proposals implements vscode.Disposable, vscode.FileSystemProvider, vscode.TextDocumentContentProvider {
  private readonly changed = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.changed.event;
  private readonly shown = new Map<string, Proposal>();
  private count = 0;
  private readonly taken = label("gitDecoration.addedResourceForeground", "editorOverviewRuler.addedForeground");
  private readonly left = label("disabledForeground", "editorOverviewRuler.deletedForeground");
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly approvals: Approvals) {
    approvals.refine = (approval, decision) => this.refine(approval, decision);
    const onHunk = (wanted: boolean) => (index?: unknown) =>
      this.take(wanted, typeof index === "number" ? index : undefined);
    this.subscriptions = [
      this.changed,
      this.taken,
      this.left,
      vscode.workspace.registerTextDocumentContentProvider(BEFORE, this),
      vscode.workspace.registerFileSystemProvider(PROPOSED, this, { isCaseSensitive: true }),
      vscode.commands.registerCommand("pillion.approval.show", (id?: unknown) => this.show(id)),
      vscode.commands.registerCommand("pillion.approval.takeChange", onHunk(true)),
      vscode.commands.registerCommand("pillion.approval.leaveChange", onHunk(false)),
      approvals.onChanged(() => void this.tidy()),
      vscode.window.onDidChangeVisibleTextEditors(() => this.mark()),
      vscode.window.onDidChangeActiveTextEditor(() => this.mark()),
      vscode.window.onDidChangeTextEditorSelection(() => this.mark()),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (document.uri.scheme === PROPOSED) {
          this.mark();
        }
      }),
    ];
    // What an earlier window left: nothing answers for it any more.
    void this.tidy();
  }

  /**
   * The approval that a command means. Links give its id, and title bars the document that they stand over; a key means
   * the one in the editor, or else the one that waits longest.
   */
  meant(given: unknown): Approval | undefined {
    const { open } = this.approvals;
    if (typeof given === "string") {
      return open.find(({ approvalId }) => approvalId === given);
    }
    const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
    const uri =
      given instanceof vscode.Uri ? given : input instanceof vscode.TabInputTextDiff ? input.modified : undefined;
    return uri?.scheme === PROPOSED ? this.at(uri)?.approval : open[0];
  }

  /** Shows what the call would do: the diff of an edit, or the chat. */
  private async show(given?: unknown): Promise<void> {
    const approval = this.meant(given);
    const diff = approval?.diff;
    if (approval === undefined || diff === undefined) {
      await vscode.commands.executeCommand("pillion.chat.focus");
      return;
    }
    let proposal = this.shown.get(approval.approvalId);
    if (proposal === undefined) {
      proposal = this.propose(approval, diff, await textOf(diff.path));
      this.shown.set(approval.approvalId, proposal);
    }
    const title = `${approval.title} (waits for you)`;
    const left = proposal.right.with({ scheme: BEFORE });
    await vscode.commands.executeCommand("vscode.diff", left, proposal.right, title, { preview: true });
    this.mark();
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    return this.at(uri.with({ scheme: PROPOSED }))?.before ?? "";
  }

  stat(uri: vscode.Uri): vscode.FileStat {
    const proposal = this.must(uri);
    const stat = { type: vscode.FileType.File, ctime: 0, mtime: 0, size: proposal.saved.length };
    return proposal.isOpen ? stat : { ...stat, permissions: vscode.FilePermission.Readonly };
  }

  readFile(uri: vscode.Uri): Uint8Array {
    return this.must(uri).saved;
  }

  writeFile(uri: vscode.Uri, content: Uint8Array): void {
    this.must(uri).saved = content;
    this.changed.fire([{ type: vscode.FileChangeType.Changed, uri }]);
  }

  watch(): vscode.Disposable {
    return { dispose: () => undefined };
  }

  readDirectory(): [string, vscode.FileType][] {
    return [];
  }

  createDirectory(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  delete(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  rename(uri: vscode.Uri): void {
    throw vscode.FileSystemError.NoPermissions(uri);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private propose(approval: Approval, diff: FileDiff, text: string): Proposal {
    const inPlace = fitted(text, diff.hunks);
    // Where it would be made cannot be told from here, so what it would be made of is all that is shown.
    const { text: before, hunks } = inPlace === undefined ? alone(diff.hunks) : { text, hunks: inPlace };
    const after = withHunks(before, hunks);
    this.count += 1;
    // The number keeps apart what waits for one file; the rest is a path for the sake of its language.
    const right = vscode.Uri.from({ scheme: PROPOSED, path: `/${this.count}${vscode.Uri.file(diff.path).path}` });
    const isOpen = inPlace !== undefined && (approval.tool === "edit" || approval.tool === "write");
    return { approval, hunks, before, after, saved: new TextEncoder().encode(after), right, isOpen };
  }

  /** What an allowance means that says nothing of hunks or input: what the diff editor shows. */
  private refine(approval: Approval, decision: ApprovalDecision): ApprovalDecision {
    const proposal = this.shown.get(approval.approvalId);
    if (decision.type !== "allow" || decision.hunks || decision.input !== undefined || proposal === undefined) {
      return decision;
    }
    const text = textNow(proposal);
    if (text === proposal.after) {
      return decision;
    }
    const taken = readHunks(proposal.before, proposal.hunks, text)?.taken;
    if (taken?.size === 0 || text === proposal.before) {
      return { type: "deny", reason: "none of the changes was wanted" };
    }
    if (taken !== undefined) {
      return { ...decision, hunks: [...taken].sort((left, right) => left - right) };
    }
    return proposal.isOpen ? { ...decision, input: rewritten(approval, proposal.before, text) } : decision;
  }

  /** Puts the hunk at the cursor, or the one of this index, in or leaves it out. */
  private async take(wanted: boolean, index?: number): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const proposal = editor && this.at(editor.document.uri);
    if (editor === undefined || proposal === undefined) {
      return;
    }
    const reading = readHunks(proposal.before, proposal.hunks, editor.document.getText());
    if (reading === undefined) {
      const message = "This was changed by hand. Undo that to choose among the changes, or allow it as it stands.";
      void vscode.window.showInformationMessage(`Pillion: ${message}`);
      return;
    }
    const chosen = index ?? nearest(reading.lines, editor.selection.active.line);
    const taken = new Set(reading.taken);
    if (wanted) {
      taken.add(chosen);
    } else {
      taken.delete(chosen);
    }
    await rewrite(editor.document, withHunks(proposal.before, proposal.hunks, taken));
    this.mark();
  }

  /** Says beside each hunk whether it will be made. */
  private mark(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const proposal = this.at(editor.document.uri);
      const reading = proposal && readHunks(proposal.before, proposal.hunks, editor.document.getText());
      if (proposal === undefined || proposal.hunks.length < 2) {
        continue;
      }
      const labels = (wanted: boolean) => options(reading, wanted, editor.document);
      editor.setDecorations(this.taken, labels(true));
      editor.setDecorations(this.left, labels(false));
    }
    const active = vscode.window.activeTextEditor;
    const proposal = active && this.at(active.document.uri);
    const reading = proposal && readHunks(proposal.before, proposal.hunks, active.document.getText());
    const at = reading && nearest(reading.lines, active?.selection.active.line ?? 0);
    const state = at === undefined || reading === undefined ? "" : reading.taken.has(at) ? "taken" : "left";
    void vscode.commands.executeCommand("setContext", "pillion.proposedChange", state);
  }

  /** Closes what shows an approval that is resolved, whoever resolved it. */
  private async tidy(): Promise<void> {
    const open = new Set(this.approvals.open.map(({ approvalId }) => approvalId));
    for (const id of [...this.shown.keys()].filter((shown) => !open.has(shown))) {
      const proposal = this.shown.get(id);
      // Unsaved, it would ask whether to save it.
      await vscode.workspace.textDocuments
        .find(({ uri, isDirty }) => isDirty && uri.toString() === proposal?.right.toString())
        ?.save();
      this.shown.delete(id);
    }
    const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
    const stale = tabs.filter(({ input }) => {
      const uri = input instanceof vscode.TabInputTextDiff ? input.modified : undefined;
      return uri?.scheme === PROPOSED && this.at(uri) === undefined;
    });
    if (stale.length > 0) {
      await vscode.window.tabGroups.close(stale, true);
    }
  }

  private at(uri: vscode.Uri): Proposal | undefined {
    return [...this.shown.values()].find(({ right }) => right.toString() === uri.toString());
  }

  private must(uri: vscode.Uri): Proposal {
    const proposal = this.at(uri);
    if (proposal === undefined) {
      throw vscode.FileSystemError.FileNotFound(uri);
    }
    return proposal;
  }
}

function label(color: string, ruler: string): vscode.TextEditorDecorationType {
  return vscode.window.createTextEditorDecorationType({
    after: { color: new vscode.ThemeColor(color), margin: "0 0 0 3em", fontStyle: "italic" },
    overviewRulerColor: new vscode.ThemeColor(ruler),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
}

function options(
  reading: Reading | undefined,
  wanted: boolean,
  document: vscode.TextDocument,
): vscode.DecorationOptions[] {
  return (reading?.lines ?? []).flatMap((line, index) => {
    if (reading?.taken.has(index) !== wanted) {
      return [];
    }
    const { range } = document.lineAt(Math.min(line, document.lineCount - 1));
    const name = `change ${index + 1} of ${reading.lines.length}`;
    const [command, verb] = wanted ? ["leaveChange", "Leave it out"] : ["takeChange", "Take it"];
    const hover = new vscode.MarkdownString(
      `Pillion: ${name}. [${verb}](command:pillion.approval.${command}?${encodeURIComponent(`[${index}]`)})`,
    );
    hover.isTrusted = { enabledCommands: [`pillion.approval.${command}`] };
    const contentText = wanted ? `✓ ${name}` : `✗ ${name} is left out`;
    return [{ range, hoverMessage: hover, renderOptions: { after: { contentText } } }];
  });
}

function nearest(lines: number[], line: number): number {
  const at = lines.findLastIndex((first) => first <= line);
  return Math.max(0, at);
}

async function rewrite(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  const end = document.lineAt(document.lineCount - 1).range.end;
  edit.replace(document.uri, new vscode.Range(new vscode.Position(0, 0), end), text);
  await vscode.workspace.applyEdit(edit);
}

function textNow({ right, saved }: Proposal): string {
  const open = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === right.toString());
  return open?.getText() ?? new TextDecoder().decode(saved);
}

/** The call that makes this text. */
function rewritten({ tool, input }: Approval, before: string, text: string): unknown {
  const { path } = input as { path: string };
  const { old, new: fresh } = replacement(before, text);
  return tool === "write" ? { path, content: text } : { path, edits: [{ old_string: old, new_string: fresh }] };
}

async function textOf(path: string): Promise<string> {
  const uri = path.startsWith("untitled:") ? vscode.Uri.parse(path) : vscode.Uri.file(path);
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open !== undefined) {
    return open.getText();
  }
  try {
    // Not as a document: opening it would make a buffer of a file that the person has closed.
    return new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
  } catch {
    // A file that does not exist yet.
    return "";
  }
}
