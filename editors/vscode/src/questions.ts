// What the model asks the person. A question lives as an approval does: whoever answers first, answers.

import * as vscode from "vscode";
import type { Question, QuestionAnswer } from "./protocol";
import type { Server } from "./server";

interface Open {
  question: Question;
  answer: (answer: QuestionAnswer) => void;
}

export class Questions implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onChanged = this.changed.event;
  private waiting: Open[] = [];

  constructor(private readonly server: Server) {
    server.answer("question/request", ({ question }, token) => this.ask(question, token));
  }

  get open(): Question[] {
    return this.waiting.map(({ question }) => question);
  }

  async answer(questionId: string, answer: QuestionAnswer): Promise<void> {
    const open = this.waiting.find(({ question }) => question.questionId === questionId);
    if (open === undefined) {
      await this.server.request("question/respond", { questionId, answer });
    } else {
      open.answer(answer);
    }
  }

  dispose(): void {
    this.changed.dispose();
  }

  private async ask(question: Question, token: vscode.CancellationToken): Promise<QuestionAnswer> {
    let cancelled: vscode.Disposable | undefined;
    try {
      return await new Promise<QuestionAnswer>((answer, withdraw) => {
        this.waiting.push({ question, answer });
        cancelled = token.onCancellationRequested(() => withdraw(new Error("answered elsewhere")));
        this.changed.fire();
      });
    } finally {
      cancelled?.dispose();
      this.waiting = this.waiting.filter((open) => open.question !== question);
      this.changed.fire();
    }
  }
}
