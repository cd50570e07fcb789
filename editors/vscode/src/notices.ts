// What waits for the person, where they are: a notification for each, a count in the status bar, and the commands behind
// both.

import * as vscode from "vscode";
import type { Approvals } from "./approvals";
import { idOf } from "./proposals";
import type { Approval, ApprovalDecision, ApprovalScope } from "./protocol";

export class Notices implements vscode.Disposable {
  private readonly status = vscode.window.createStatusBarItem("pillion.approvals", vscode.StatusBarAlignment.Left, 100);
  /** What takes each notification away. */
  private readonly shown = new Map<string, () => void>();
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly approvals: Approvals) {
    this.status.name = "Pillion: what waits for you";
    this.status.command = "pillion.approval.show";
    const register = (name: string, run: (approval: Approval) => unknown) =>
      vscode.commands.registerCommand(`pillion.approval.${name}`, (given?: unknown) => {
        const id = idOf(given);
        const approval = this.approvals.open.find((one) => id === undefined || one.approvalId === id);
        return approval && run(approval);
      });
    const decide = (decision: ApprovalDecision) => (approval: Approval) =>
      this.approvals.decide(approval.approvalId, decision);
    this.subscriptions = [
      this.status,
      register("allow", decide({ type: "allow" })),
      register("allowSession", decide({ type: "allow", scope: "session" })),
      register("allowAlways", (approval) => this.allowAlways(approval)),
      register("deny", decide({ type: "deny" })),
      register("denyWithReason", (approval) => this.denyWithReason(approval)),
      register("stop", decide({ type: "cancelTurn" })),
      approvals.onChanged(() => this.show()),
    ];
  }

  dispose(): void {
    for (const close of this.shown.values()) {
      close();
    }
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private show(): void {
    const { open } = this.approvals;
    for (const approval of open.filter(({ approvalId }) => !this.shown.has(approvalId))) {
      this.shown.set(approval.approvalId, notify(approval));
    }
    for (const [id, close] of this.shown) {
      if (!open.some(({ approvalId }) => approvalId === id)) {
        this.shown.delete(id);
        close();
      }
    }
    void vscode.commands.executeCommand("setContext", "pillion.approvalOpen", open.length > 0);
    if (open.length === 0) {
      this.status.hide();
      return;
    }
    this.status.text = `$(bell-dot) Pillion: ${open.length} waiting`;
    this.status.tooltip = open.map(({ title }) => title).join("\n");
    this.status.accessibilityInformation = { label: `Pillion: ${open.length} waiting for your answer` };
    this.status.backgroundColor = new vscode.ThemeColor("statusBarItem.warningBackground");
    this.status.show();
  }

  /** Asks how far the rules reach and shows what would be stored, to be changed before it is. */
  private async allowAlways(approval: Approval): Promise<void> {
    const scopes: { label: string; description: string; scope: ApprovalScope }[] = [
      { label: "In this session", description: "until it is closed", scope: "session" },
      { label: "In this project", description: "kept among your own files, not the project's", scope: "project" },
      { label: "In all projects", description: "kept among your own files", scope: "user" },
    ];
    const picked = await vscode.window.showQuickPick(scopes, {
      title: `Always allow: ${approval.title}`,
      placeHolder: `Without asking: ${approval.rules.join(", ") || "a rule of yours"}`,
    });
    if (picked === undefined) {
      return;
    }
    const shown = approval.rules.join(" ; ");
    // A command's rule may have a semicolon of its own.
    const rulesOf = (text: string) => (approval.rules.length > 1 ? split(text) : [text.trim()]);
    const written = await vscode.window.showInputBox({
      title: `${picked.label}, without asking`,
      prompt: "What is stored: a tool, or a tool and a pattern, for example bash(npm test *) or edit(src/**).",
      value: shown,
      ignoreFocusOut: true,
      validateInput: (text) => (rulesOf(text).every(isRule) ? undefined : "Write tool, or tool(pattern)."),
    });
    const rules = rulesOf(written ?? "");
    if (written !== undefined) {
      const changed = written === shown ? {} : { rules };
      await this.approvals.decide(approval.approvalId, { type: "allow", scope: picked.scope, ...changed });
    }
  }

  private async denyWithReason(approval: Approval): Promise<void> {
    const reason = await vscode.window.showInputBox({
      title: "Pillion: deny with a reason",
      prompt: "The model reads it and tries another way.",
      ignoreFocusOut: true,
    });
    if (reason !== undefined) {
      await this.approvals.decide(approval.approvalId, reason === "" ? { type: "deny" } : { type: "deny", reason });
    }
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
  const links = [link("Allow", "allow"), link("Deny", "deny")];
  if (approval.rules.length > 0) {
    links.splice(1, 0, link("Always...", "allowAlways"));
  }
  links.push(link(approval.diff === undefined ? "Show" : "Show Diff", "show"));
  const asker = approval.agent === undefined ? "" : `${approval.agent.name}: `;
  const what =
    approval.command === undefined || approval.title.includes(approval.command) ? "" : `: ${approval.command}`;
  const risk = approval.risk === undefined ? "" : ` (${approval.risk})`;
  void vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Pillion asks" },
    (progress) => {
      progress.report({ message: `${plain(`${asker}${approval.title}${what}${risk}`)} ${links.join(" | ")}` });
      return new Promise<void>((resolve) => {
        close = resolve;
      });
    },
  );
  return () => close();
}

/** Text in which nothing is taken for a link. */
function plain(text: string): string {
  return text.replaceAll("[", "［").replaceAll("]", "］").replaceAll("\n", " ");
}

function split(text: string): string[] {
  return text
    .split(";")
    .map((rule) => rule.trim())
    .filter((rule) => rule !== "");
}

function isRule(rule: string): boolean {
  return /^[A-Za-z_][\w.-]*(?:\(.+\))?$/.test(rule);
}
