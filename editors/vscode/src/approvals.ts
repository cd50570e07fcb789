// What waits for the person's word, and what they said.

import { Asks } from "./asks";
import type { Approval, ApprovalDecision } from "./protocol";
import type { Server } from "./server";

export class Approvals extends Asks<Approval, ApprovalDecision> {
  /** Adds to a decision what the person chose in the diff editor. */
  refine: (approval: Approval, decision: ApprovalDecision) => ApprovalDecision = (_, decision) => decision;

  constructor(private readonly server: Server) {
    super(server, ({ approvalId }) => approvalId);
    server.answer("approval/request", ({ approval }, token) => this.ask(approval, token));
  }

  async decide(approvalId: string, decision: ApprovalDecision): Promise<void> {
    if (!this.take(approvalId, (approval) => this.refine(approval, decision))) {
      await this.server.request("approval/respond", { approvalId, decision });
    }
  }
}
