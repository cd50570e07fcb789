// What waits for the person, where they are: a notification for each, a count of approvals in the status bar, and the
// commands behind both.

import * as vscode from "vscode";
import type { Approvals } from "./approvals";
import type { Conversation } from "./conversation";
import { type Link, notify } from "./notification";
import type { Proposals } from "./proposals";
import type { Approval, ApprovalDecision, ApprovalScope, Question } from "./protocol";
import type { Questions } from "./questions";

export class Notices implements vscode.Disposable {
  private readonly status = vscode.window.createStatusBarItem("pillion.approvals", vscode.StatusBarAlignment.Left, 100);
  /** What takes each notification away. */
  private readonly shown = new Map<string, () => void>();
  private readonly subscriptions: vscode.Disposable[];

  /** Where the chat is seen, a question needs no notification. */
  constructor(
    private readonly approvals: Approvals,
    private readonly questions: Questions,
    private readonly conversation: Conversation,
    private readonly isChatSeen: () => boolean,
    proposals: Proposals,
  ) {
    this.status.name = "Pillion: what waits for you";
    this.status.command = "pillion.approval.show";
    const register = (name: string, run: (approval: Approval) => unknown) =>
      vscode.commands.registerCommand(`pillion.approval.${name}`, (given?: unknown) => {
        const approval = proposals.meant(given);
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
      questions.onChanged(() => this.notifyOfAll()),
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

  /** A notification for each that has none, and none for what is over. */
  private notifyOfAll(): void {
    const over = new Set(this.shown.keys());
    const keep = (id: string, make: () => (() => void) | undefined) => {
      over.delete(id);
      const close = this.shown.has(id) ? undefined : make();
      if (close !== undefined) {
        this.shown.set(id, close);
      }
    };
    for (const approval of this.approvals.open) {
      keep(approval.approvalId, () => this.notifyOfApproval(approval));
    }
    for (const question of this.questions.open) {
      keep(question.questionId, () => (this.isChatSeen() ? undefined : this.notifyOfQuestion(question)));
    }
    for (const id of over) {
      this.shown.get(id)?.();
      this.shown.delete(id);
    }
  }

  private notifyOfApproval(approval: Approval): () => void {
    const { title, command, risk } = approval;
    const what = command === undefined || title.includes(command) ? "" : `: ${command}`;
    const why = risk === undefined ? "" : ` (${risk})`;
    return notify("Pillion asks", `${this.asker(approval)}${title}${what}${why}`, linksOf(approval));
  }

  private notifyOfQuestion(question: Question): () => void {
    const links = [{ title: "Answer", command: "pillion.focusChat" }];
    return notify("Pillion asks", `${this.asker(question)}${question.text}`, links);
  }

  /** Who asks, if it is not the agent of the session on the screen. */
  private asker({ sessionId, agent }: Approval | Question): string {
    const session = this.conversation.elsewhere(sessionId);
    return [session, agent?.name].map((name) => (name === undefined ? "" : `${name}: `)).join("");
  }

  private show(): void {
    const { open } = this.approvals;
    this.notifyOfAll();
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
    const gone = this.approvals.gone(approval.approvalId);
    const options = {
      title: `Always allow: ${approval.title}`,
      placeHolder: `Without asking: ${approval.rules.join(", ") || "a rule of yours"}`,
    };
    const picked = await vscode.window.showQuickPick(scopes, options, gone);
    if (picked === undefined) {
      return;
    }
    const shown = approval.rules.join(" ; ");
    // A command's rule may have a semicolon of its own.
    const rulesOf = (text: string) => (approval.rules.length > 1 ? split(text) : [text.trim()]);
    const box = {
      title: `${picked.label}, without asking`,
      prompt: "What is stored: a tool, or a tool and a pattern, for example bash(npm test *) or edit(src/**).",
      value: shown,
      ignoreFocusOut: true,
      validateInput: (text: string) => (rulesOf(text).every(isRule) ? undefined : "Write tool, or tool(pattern)."),
    };
    const written = await vscode.window.showInputBox(box, gone);
    const rules = rulesOf(written ?? "");
    if (written !== undefined) {
      const changed = written === shown ? {} : { rules };
      await this.approvals.decide(approval.approvalId, { type: "allow", scope: picked.scope, ...changed });
    }
  }

  private async denyWithReason(approval: Approval): Promise<void> {
    const box = {
      title: "Pillion: deny with a reason",
      prompt: "The model reads it and tries another way.",
      ignoreFocusOut: true,
    };
    const reason = await vscode.window.showInputBox(box, this.approvals.gone(approval.approvalId));
    if (reason !== undefined) {
      await this.approvals.decide(approval.approvalId, reason === "" ? { type: "deny" } : { type: "deny", reason });
    }
  }
}

function linksOf({ approvalId, rules, diff }: Approval): Link[] {
  const link = (title: string, command: string) => ({
    title,
    command: `pillion.approval.${command}`,
    arguments: [approvalId],
  });
  const always = rules.length > 0 ? [link("Always...", "allowAlways")] : [];
  return [link("Allow", "allow"), ...always, link("Deny", "deny"), link(diff ? "Show Diff" : "Show", "show")];
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
