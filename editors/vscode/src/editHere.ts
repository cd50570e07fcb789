// A prompt at the place it is about, between the lines of the editor: VS Code has such a field for comments.

import * as vscode from "vscode";
import type { Asking } from "./asking";
import { linesOf } from "./context";

/** VS Code asks where a comment may be, needs a moment to learn it, and says nothing of it. Chosen: a person's blink. */
const LEARN_MS = 150;
const TRIES = 4;

export class EditHere implements vscode.Disposable {
  private readonly controller = vscode.comments.createCommentController("pillion.editHere", "Pillion");
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly asking: Asking) {
    this.controller.options = {
      prompt: "Edit here with Pillion",
      placeHolder: "What is to be done here? Ctrl+Enter sends, Escape closes.",
    };
    this.subscriptions = [
      this.controller,
      vscode.commands.registerCommand("pillion.editHere", () => this.ask()),
      vscode.commands.registerCommand("pillion.editHere.send", (reply: vscode.CommentReply) => this.send(reply)),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private async ask(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined) {
      return;
    }
    const { uri } = editor.document;
    const { start, end } = editor.selection;
    const lines = new vscode.Range(start.line, 0, end.line, 0);
    await new Promise<void>((resolve) => {
      this.controller.commentingRangeProvider = {
        // Only here, so that no other line offers to be commented.
        provideCommentingRanges: (document) => {
          setTimeout(resolve, LEARN_MS);
          return document.uri.toString() === uri.toString() ? [lines] : [];
        },
      };
    });
    const range = {
      startLineNumber: start.line + 1,
      startColumn: 1,
      endLineNumber: end.line + 1,
      endColumn: 1,
    };
    for (let tries = 0; tries < TRIES; tries += 1) {
      const field = appears();
      await vscode.commands.executeCommand("workbench.action.addComment", { range });
      if (await field) {
        return;
      }
    }
    await this.askAbove(editor.document, start.line, end.line);
  }

  /** Where no field between the lines can be had: one above them all. */
  private async askAbove(document: vscode.TextDocument, first: number, last: number): Promise<void> {
    const text = await vscode.window.showInputBox({
      title: "Edit here with Pillion",
      prompt: "What is to be done here?",
    });
    if (text !== undefined && text.trim() !== "") {
      await this.asking.say([linesOf(document, first, last), { type: "text", text }]);
    }
  }

  private async send({ thread, text }: vscode.CommentReply): Promise<void> {
    const document = await vscode.workspace.openTextDocument(thread.uri);
    const first = thread.range?.start.line ?? 0;
    const last = thread.range?.end.line ?? first;
    // What cannot be said comes into the chat's prompt.
    thread.dispose();
    (this.controller as { commentingRangeProvider?: unknown }).commentingRangeProvider = undefined;
    await this.asking.say([linesOf(document, first, last), { type: "text", text }]);
  }
}

/** Whether a field to write in comes up soon. It is a document of its own, and that is all that can be seen of it. */
function appears(): Promise<boolean> {
  return new Promise((resolve) => {
    const listener = vscode.workspace.onDidOpenTextDocument(({ uri }) => {
      if (uri.scheme === "comment") {
        done(true);
      }
    });
    const timer = setTimeout(() => done(false), 10 * LEARN_MS);
    const done = (came: boolean) => {
      clearTimeout(timer);
      listener.dispose();
      resolve(came);
    };
  });
}
