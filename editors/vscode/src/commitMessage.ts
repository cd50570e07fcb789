// Writes the message of a commit from what is to be committed, in a session of its own that changes nothing.

import * as vscode from "vscode";
import { messageOf } from "./errors";
import type { SessionEventNotification } from "./protocol";
import type { Server } from "./server";

/** As much of Git's own extension as is used here. */
interface Repository {
  rootUri: vscode.Uri;
  inputBox: { value: string };
  diff(staged: boolean): Promise<string>;
  log(options: { maxEntries: number }): Promise<{ message: string }[]>;
}

interface GitExtension {
  getAPI(version: 1): { repositories: Repository[] };
}

/** Chosen: what a model reads with ease; a longer diff is clipped, and the message is about what is there. */
const LONGEST_DIFF = 60_000;

export class CommitMessage implements vscode.Disposable {
  private readonly heard = new vscode.EventEmitter<SessionEventNotification>();
  private readonly command: vscode.Disposable;

  constructor(private readonly server: Server) {
    server.hear("session/event", (notification) => this.heard.fire(notification));
    this.command = vscode.commands.registerCommand("pillion.commitMessage", (control?: { rootUri?: vscode.Uri }) =>
      this.write(control?.rootUri),
    );
  }

  dispose(): void {
    this.command.dispose();
    this.heard.dispose();
  }

  private async write(root: vscode.Uri | undefined): Promise<void> {
    const repository = await repositoryAt(root);
    if (repository === undefined) {
      void vscode.window.showInformationMessage("Pillion: no Git repository is open.");
      return;
    }
    const diff = (await repository.diff(true)) || (await repository.diff(false));
    if (diff.trim() === "") {
      void vscode.window.showInformationMessage("Pillion: there is nothing to commit.");
      return;
    }
    const past = await repository.log({ maxEntries: 10 }).catch(() => []);
    const subjects = past.map(({ message }) => message.split("\n")[0]).join("\n");
    const location = { location: vscode.ProgressLocation.SourceControl, title: "Pillion writes the message" };
    await vscode.window.withProgress({ ...location, cancellable: true }, async (_, token) => {
      try {
        const message = await this.ask(prompt(diff, subjects, repository.inputBox.value), token);
        if (message !== "") {
          repository.inputBox.value = message;
        }
      } catch (error) {
        const text = messageOf(error);
        void vscode.window.showErrorMessage(`Pillion: the message could not be written. ${text}`);
      }
    });
  }

  /** One turn in a session that nobody else sees; what the model said, or nothing if it was stopped. */
  private async ask(text: string, token: vscode.CancellationToken): Promise<string> {
    const { sessionId } = await this.server.request("session/new", { mode: "plan", limits: { turnLimit: 1 } });
    const subscriptions: vscode.Disposable[] = [];
    try {
      let said = "";
      const ended = new Promise<string>((resolve, reject) => {
        subscriptions.push(
          this.heard.event(({ sessionId: from, event }) => {
            if (from !== sessionId) {
              return;
            }
            if (event.type === "messageDelta") {
              said += event.text;
            } else if (event.type === "superseded") {
              said = "";
            } else if (event.type === "turnEnded") {
              const isFailed = event.stopReason === "error";
              isFailed ? reject(new Error(event.error ?? "The turn failed.")) : resolve(said);
            }
          }),
          token.onCancellationRequested(() => resolve("")),
          this.server.onState((running) => running || reject(new Error("The server ended."))),
        );
      });
      await this.server.request("turn/start", { sessionId, prompt: [{ type: "text", text }] });
      return bare(await ended);
    } finally {
      for (const subscription of subscriptions) {
        subscription.dispose();
      }
      await this.server.request("session/close", { sessionId }).catch(() => undefined);
      // It was no conversation, and would stand in the way among those that were.
      await this.server.request("session/delete", { sessionId }).catch((error) => this.server.log.warn(String(error)));
    }
  }
}

async function repositoryAt(root: vscode.Uri | undefined): Promise<Repository | undefined> {
  const git = vscode.extensions.getExtension<GitExtension>("vscode.git");
  const { repositories } = (await git?.activate())?.getAPI(1) ?? { repositories: [] };
  const active = vscode.window.activeTextEditor?.document.uri.path;
  return (
    repositories.find(({ rootUri }) => rootUri.toString() === root?.toString()) ??
    repositories.find(({ rootUri }) => active?.startsWith(`${rootUri.path}/`)) ??
    repositories[0]
  );
}

function prompt(diff: string, subjects: string, begun: string): string {
  return [
    "Write the message for this commit. Answer with the message alone: no quotes, no code fence, no word before or after.",
    "A subject of at most 72 characters, and only where it says more, an empty line and a body that says why.",
    subjects === "" ? "" : `Follow the style of the last commits here:\n${subjects}`,
    begun.trim() === "" ? "" : `The person has begun it so, which must stay:\n${begun}`,
    `The change:\n${diff.slice(0, LONGEST_DIFF)}`,
  ]
    .filter(Boolean)
    .join("\n\n");
}

/** Models like to put a fence around it nevertheless. */
function bare(text: string): string {
  return text
    .trim()
    .replace(/^```[a-z]*\n([\s\S]*)\n```$/, "$1")
    .trim();
}
