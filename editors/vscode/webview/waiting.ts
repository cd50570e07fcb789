// What waits for the person, above the prompt. It never takes the focus from what they are typing.

import type { FromView, ToView } from "../src/messages";
import { announceUrgently } from "./announce";
import { approvalCard } from "./approval";
import { h } from "./dom";
import { questionCard } from "./question";

export class Waiting {
  readonly element = h("div", { class: "asks" });
  private readonly cards = new Map<string, { shown: string; card: HTMLElement }>();

  constructor(private readonly tell: (message: FromView) => void) {}

  show({ approvals, questions, elsewhere }: Extract<ToView, { type: "waiting" }>): void {
    const ids = new Set([...approvals.map((one) => one.approvalId), ...questions.map((one) => one.questionId)]);
    for (const [id, { card }] of this.cards) {
      if (!ids.has(id)) {
        card.remove();
        this.cards.delete(id);
      }
    }
    for (const approval of approvals) {
      const session = elsewhere[approval.sessionId];
      const risk = approval.risk === undefined ? "" : ` ${approval.risk}`;
      this.put(approval.approvalId, [approval, session], `Pillion asks to: ${approval.title}.${risk}`, () =>
        approvalCard(approval, session, this.tell),
      );
    }
    for (const question of questions) {
      const session = elsewhere[question.sessionId];
      this.put(question.questionId, [question, session], `Pillion asks: ${question.text}`, () =>
        questionCard(question, session, this.tell),
      );
    }
  }

  /** Moves the focus to what waits first. */
  focus(): boolean {
    const first = this.element.querySelector<HTMLElement>("button.primary, button.choice, input");
    first?.focus();
    return first !== null;
  }

  private put(id: string, what: unknown, spoken: string, make: () => HTMLElement): void {
    const shown = JSON.stringify(what);
    const before = this.cards.get(id);
    if (before?.shown === shown) {
      return;
    }
    // It came again, and shows something else than before.
    const card = make();
    if (before === undefined) {
      this.element.append(card);
    } else {
      before.card.replaceWith(card);
    }
    this.cards.set(id, { shown, card });
    announceUrgently(spoken);
  }
}
