// What waits for the person's word: in the chat, in a notification, in the status bar, and, for edits, in a diff editor.

import * as vscode from "vscode";
import type { Approval, ApprovalDecision, FileDiff } from "./protocol";
import type { Server } from "./server";

export const BEFORE = "pillion-before";
export const AFTER = "pillion-after";

interface Open {
  approval: Approval;
  answer: (decision: ApprovalDecision) => void;
  /** Takes the notification away. */
  close: () => void;
  before?: string;
  after?: string;
}

/** Cancelled by the server: answered elsewhere, or the turn is over. */
class Withdrawn extends Error {}

export class Approvals implements vscode.Disposable, vscode.TextDocumentContentProvider {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onChanged = this.changed.event;
  private waiting: Open[] = [];
  private readonly status = vscode.window.createStatusBarItem("pillion.approvals", vscode.StatusBarAlignment.Left, 100);
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly server: Server) {
    server.answer("approval/request", ({ approval }, token) => this.ask(approval, token));
    this.status.name = "Pillion: approvals";
    this.status.command = "pillion.approval.show";
    const decide = (decision: ApprovalDecision) => (id?: string) => this.decide(id ?? this.first(), decision);
    this.subscriptions = [
      this.status,
      this.changed,
      vscode.workspace.registerTextDocumentContentProvider(BEFORE, this),
      vscode.workspace.registerTextDocumentContentProvider(AFTER, this),
      vscode.commands.registerCommand("pillion.approval.allow", decide({ type: "allow" })),
      vscode.commands.registerCommand("pillion.approval.allowSession", decide({ type: "allow", scope: "session" })),
      vscode.commands.registerCommand("pillion.approval.deny", decide({ type: "deny" })),
      vscode.commands.registerCommand("pillion.approval.denyWithReason", (id?: string) => this.denyWithReason(id)),
      vscode.commands.registerCommand("pillion.approval.show", (id?: string) => this.show(id ?? this.first())),
    ];
  }

  get open(): Approval[] {
    return this.waiting.map(({ approval }) => approval);
  }

  async decide(approvalId: string | undefined, decision: ApprovalDecision): Promise<void> {
    const open = this.find(approvalId);
    if (open !== undefined) {
      open.answer(decision);
    } else if (approvalId !== undefined) {
      await this.server.request("approval/respond", { approvalId, decision });
    }
  }

  /** Shows what the call would do: the diff of an edit, or the chat. */
  async show(approvalId: string | undefined): Promise<void> {
    const open = this.find(approvalId);
    if (open?.approval.diff === undefined) {
      await vscode.commands.executeCommand("pillion.chat.focus");
      return;
    }
    const { approval } = open;
    const { diff } = approval;
    if (diff === undefined) {
      return;
    }
    const before = await textOf(diff.path);
    open.before = before;
    open.after = withHunks(before, diff);
    const uri = (scheme: string) =>
      vscode.Uri.from({ scheme, path: pathOf(diff.path), query: encodeURIComponent(approval.approvalId) });
    await vscode.commands.executeCommand("vscode.diff", uri(BEFORE), uri(AFTER), `${approval.title} (waits for you)`, {
      preview: true,
    });
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    const open = this.find(decodeURIComponent(uri.query));
    return (uri.scheme === BEFORE ? open?.before : open?.after) ?? "";
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private find(approvalId: string | undefined): Open | undefined {
    return this.waiting.find(({ approval }) => approval.approvalId === approvalId);
  }

  private first(): string | undefined {
    return this.waiting[0]?.approval.approvalId;
  }

  private async ask(approval: Approval, token: vscode.CancellationToken): Promise<ApprovalDecision> {
    let close = () => {};
    let cancelled: vscode.Disposable | undefined;
    try {
      return await new Promise<ApprovalDecision>((answer, withdraw) => {
        this.waiting.push({ approval, answer, close: () => close() });
        cancelled = token.onCancellationRequested(() => withdraw(new Withdrawn("answered elsewhere")));
        close = notify(approval);
        this.note();
      });
    } finally {
      cancelled?.dispose();
      close();
      this.waiting = this.waiting.filter((open) => open.approval !== approval);
      this.note();
      await closeDiff(approval.approvalId);
    }
  }

  private async denyWithReason(approvalId: string | undefined): Promise<void> {
    const id = approvalId ?? this.first();
    const reason = await vscode.window.showInputBox({
      title: "Pillion: deny with a reason",
      prompt: "The model reads it and tries another way.",
    });
    if (reason !== undefined) {
      await this.decide(id, reason === "" ? { type: "deny" } : { type: "deny", reason });
    }
  }

  private note(): void {
    const count = this.waiting.length;
    void vscode.commands.executeCommand("setContext", "pillion.approvalOpen", count > 0);
    if (count === 0) {
      this.status.hide();
    } else {
      this.status.text = `$(bell-dot) Pillion: ${count} waiting`;
      this.status.tooltip = this.waiting.map(({ approval }) => approval.title).join("\n");
      this.status.backgroundColor = new vscode.ThemeColor("statusBarItem.warningBackground");
      this.status.show();
    }
    this.changed.fire();
  }
}

/**
 * A notification that can be taken away again, which VS Code allows of progress only: its message carries the answers
 * as links.
 */
function notify(approval: Approval): () => void {
  let close = () => {};
  const link = (title: string, command: string) =>
    `[${title}](command:pillion.approval.${command}?${encodeURIComponent(JSON.stringify([approval.approvalId]))})`;
  const links = [link("Allow", "allow"), link("Allow for This Session", "allowSession"), link("Deny", "deny")];
  if (approval.diff !== undefined) {
    links.push(link("Show Diff", "show"));
  }
  const risk = approval.risk === undefined ? "" : ` (${approval.risk})`;
  void vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Pillion asks" },
    (progress) => {
      progress.report({ message: `${plain(approval.title)}${plain(risk)} ${links.join(" | ")}` });
      return new Promise<void>((resolve) => {
        close = resolve;
      });
    },
  );
  return () => close();
}

/** Text in which nothing is taken for a link. */
function plain(text: string): string {
  return text.replaceAll("[", "［").replaceAll("]", "］");
}

function pathOf(path: string): string {
  return vscode.Uri.file(path).path;
}

async function textOf(path: string): Promise<string> {
  const uri = path.startsWith("untitled:") ? vscode.Uri.parse(path) : vscode.Uri.file(path);
  const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
  if (open !== undefined) {
    return open.getText();
  }
  try {
    return (await vscode.workspace.openTextDocument(uri)).getText();
  } catch {
    // A file that does not exist yet.
    return "";
  }
}

/** The text after the diff, or after some of its hunks. */
export function withHunks(before: string, diff: FileDiff, chosen?: ReadonlySet<number>): string {
  const newline = before.includes("\r\n") ? "\r\n" : "\n";
  const lines = before.split(/\r\n|\n|\r/);
  const hunks = diff.hunks.filter((_, index) => chosen === undefined || chosen.has(index));
  for (const hunk of hunks.toReversed()) {
    const added = hunk.text.split("\n").filter((line) => line.startsWith("+") || line.startsWith(" "));
    const at = hunk.oldLines === 0 ? hunk.oldStart : hunk.oldStart - 1;
    lines.splice(at, hunk.oldLines, ...added.map((line) => line.slice(1)));
  }
  return lines.join(newline);
}

async function closeDiff(approvalId: string): Promise<void> {
  const query = encodeURIComponent(approvalId);
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  const ours = tabs.filter(
    ({ input }) =>
      input instanceof vscode.TabInputTextDiff && input.modified.scheme === AFTER && input.modified.query === query,
  );
  if (ours.length > 0) {
    await vscode.window.tabGroups.close(ours, true);
  }
}
