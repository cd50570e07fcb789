// What the server asks the person, until somebody answered: here, in another client, or nobody because the turn is over.
// Where it is shown is told by `onChanged`: the chat, the notifications and the diff editor all follow `open`.

import * as vscode from "vscode";
import type { Server } from "./server";

interface Open<Ask, Answer> {
  ask: Ask;
  answer: (answer: Answer) => void;
  withdraw: (why: Error) => void;
  /** Cancelled when it is not asked any more. */
  gone: vscode.CancellationTokenSource;
}

export class Asks<Ask, Answer> implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onChanged = this.changed.event;
  private waiting: Open<Ask, Answer>[] = [];
  private readonly stateChange: vscode.Disposable;

  constructor(
    server: Server,
    private readonly idOf: (ask: Ask) => string,
  ) {
    this.stateChange = server.onState(() => {
      // Nobody waits for these answers any more. A server that is started anew asks again.
      for (const { withdraw } of this.waiting) {
        withdraw(new Error("the server ended"));
      }
    });
  }

  /** In the order in which they came. */
  get open(): Ask[] {
    return this.waiting.map(({ ask }) => ask);
  }

  /** Takes the answer; nothing if it is not asked here. */
  take(id: string, answer: (ask: Ask) => Answer): boolean {
    const open = this.find(id);
    open?.answer(answer(open.ask));
    return open !== undefined;
  }

  /** Closes what is shown for it, once it is answered wherever. */
  gone(id: string): vscode.CancellationToken | undefined {
    return this.find(id)?.gone.token;
  }

  async ask(ask: Ask, token: vscode.CancellationToken): Promise<Answer> {
    this.find(this.idOf(ask))?.withdraw(new Error("asked again"));
    const gone = new vscode.CancellationTokenSource();
    let cancelled: vscode.Disposable | undefined;
    try {
      return await new Promise<Answer>((answer, withdraw) => {
        this.waiting.push({ ask, answer, withdraw, gone });
        cancelled = token.onCancellationRequested(() => withdraw(new Error("answered elsewhere")));
        this.changed.fire();
      });
    } finally {
      cancelled?.dispose();
      this.waiting = this.waiting.filter((open) => open.ask !== ask);
      gone.cancel();
      this.changed.fire();
    }
  }

  dispose(): void {
    this.stateChange.dispose();
    this.changed.dispose();
  }

  private find(id: string): Open<Ask, Answer> | undefined {
    return this.waiting.findLast(({ ask }) => this.idOf(ask) === id);
  }
}
