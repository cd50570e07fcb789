// What waits for the person's word, and what they said. Where it is shown is told by `onChanged`: the chat, the
// notifications and the diff editor all follow `open`.

import * as vscode from "vscode";
import type { Approval, ApprovalDecision } from "./protocol";
import type { Server } from "./server";

interface Open {
  approval: Approval;
  answer: (decision: ApprovalDecision) => void;
  withdraw: (reason: Withdrawn) => void;
}

/** Cancelled by the server: answered elsewhere, or the turn is over. */
class Withdrawn extends Error {}

export class Approvals implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onChanged = this.changed.event;
  /** Adds to a decision what the person chose in the diff editor. */
  refine: (approval: Approval, decision: ApprovalDecision) => ApprovalDecision = (_, decision) => decision;
  private waiting: Open[] = [];
  private readonly stateChange: vscode.Disposable;

  constructor(private readonly server: Server) {
    server.answer("approval/request", ({ approval }, token) => this.ask(approval, token));
    this.stateChange = server.onState(() => {
      // Nobody waits for these answers any more. A server that is started anew asks again.
      for (const { withdraw } of this.waiting) {
        withdraw(new Withdrawn("the server ended"));
      }
    });
  }

  get open(): Approval[] {
    return this.waiting.map(({ approval }) => approval);
  }

  async decide(approvalId: string, decision: ApprovalDecision): Promise<void> {
    const open = this.waiting.find(({ approval }) => approval.approvalId === approvalId);
    if (open !== undefined) {
      open.answer(this.refine(open.approval, decision));
    } else {
      await this.server.request("approval/respond", { approvalId, decision });
    }
  }

  dispose(): void {
    this.stateChange.dispose();
    this.changed.dispose();
  }

  private async ask(approval: Approval, token: vscode.CancellationToken): Promise<ApprovalDecision> {
    let cancelled: vscode.Disposable | undefined;
    try {
      return await new Promise<ApprovalDecision>((answer, withdraw) => {
        this.waiting.push({ approval, answer, withdraw });
        cancelled = token.onCancellationRequested(() => withdraw(new Withdrawn("answered elsewhere")));
        this.changed.fire();
      });
    } finally {
      cancelled?.dispose();
      this.waiting = this.waiting.filter((open) => open.approval !== approval);
      this.changed.fire();
    }
  }
}
