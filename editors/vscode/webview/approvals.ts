// What waits for the person, above the prompt.

import type { Approval, ApprovalDecision } from "../src/protocol";
import { h } from "./dom";
import { renderDiff, type Surroundings } from "./transcript";

export interface Judge extends Surroundings {
  decide(approvalId: string, decision: ApprovalDecision): void;
  showDiff(approvalId: string): void;
}

export function renderApprovals(element: HTMLElement, approvals: Approval[], judge: Judge): void {
  const shown = new Map([...element.children].map((child) => [(child as HTMLElement).dataset["id"], child]));
  for (const [id, child] of shown) {
    if (!approvals.some((approval) => approval.approvalId === id)) {
      child.remove();
    }
  }
  for (const approval of approvals) {
    if (!shown.has(approval.approvalId)) {
      element.append(card(approval, judge));
    }
  }
}

function card(approval: Approval, judge: Judge): HTMLElement {
  const { approvalId, diff, command, risk, rules, title } = approval;
  const element = h("section", { class: "approval", role: "alertdialog", "aria-label": `Approval: ${title}` });
  element.dataset["id"] = approvalId;
  element.append(h("h2", {}, title));
  if (risk !== undefined) {
    element.append(h("p", { class: "risk" }, risk));
  }
  if (approval.outside) {
    element.append(h("p", { class: "risk" }, "Outside of the workspace."));
  }
  if (command !== undefined) {
    element.append(h("pre", { class: "command", tabindex: "0" }, command));
  }
  const chosen = new Set(diff?.hunks.keys());
  if (diff !== undefined) {
    const view = renderDiff(diff, judge);
    if (diff.hunks.length > 1) {
      view.querySelectorAll(".hunk").forEach((hunk, index) => {
        const box = h("input", { type: "checkbox", checked: true });
        box.addEventListener("change", () => (box.checked ? chosen.add(index) : chosen.delete(index)));
        hunk.before(h("label", { class: "choose" }, box, ` Change ${index + 1} of ${diff.hunks.length}`));
      });
    }
    element.append(view);
  }
  const allow = (scope: "once" | "session" | "project" | "user") => () => {
    const all = diff === undefined || chosen.size === diff.hunks.length;
    if (!all && chosen.size === 0) {
      judge.decide(approvalId, { type: "deny", reason: "none of the changes was wanted" });
      return;
    }
    const hunks = all ? {} : { hunks: [...chosen].sort((left, right) => left - right) };
    judge.decide(approvalId, { type: "allow", scope, ...hunks });
  };
  const reason = h("input", { type: "text", placeholder: "Reason (the model reads it)", "aria-label": "Reason" });
  const deny = () =>
    judge.decide(approvalId, { type: "deny", ...(reason.value === "" ? {} : { reason: reason.value }) });
  reason.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      deny();
    }
  });
  const buttons = h("div", { class: "buttons" }, h("button", { class: "primary", onclick: allow("once") }, "Allow"));
  if (rules.length > 0) {
    buttons.append(h("button", { onclick: allow("session") }, "For This Session"));
    buttons.append(h("button", { onclick: allow("project") }, "Always Here"));
  }
  if (diff !== undefined) {
    buttons.append(h("button", { onclick: () => judge.showDiff(approvalId) }, "Show Diff"));
  }
  buttons.append(h("button", { onclick: deny }, "Deny"));
  buttons.append(h("button", { onclick: () => judge.decide(approvalId, { type: "cancelTurn" }) }, "Stop"));
  if (rules.length > 0) {
    element.append(h("p", { class: "rules" }, `“This session” and “always” allow: ${rules.join(", ")}`));
  }
  element.append(reason, buttons);
  return element;
}
