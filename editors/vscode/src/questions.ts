// What the model asks the person. A question lives as an approval does: whoever answers first, answers.

import { Asks } from "./asks";
import type { Question, QuestionAnswer } from "./protocol";
import type { Server } from "./server";

export class Questions extends Asks<Question, QuestionAnswer> {
  constructor(private readonly server: Server) {
    super(server, ({ questionId }) => questionId);
    server.answer("question/request", ({ question }, token) => this.ask(question, token));
  }

  async answer(questionId: string, answer: QuestionAnswer): Promise<void> {
    if (!this.take(questionId, () => answer)) {
      await this.server.request("question/respond", { questionId, answer });
    }
  }
}
