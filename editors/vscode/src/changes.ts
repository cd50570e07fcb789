// What the agent changed in this session, as the server has it: where each change stands now, and which of them the person
// has not seen yet.

import * as vscode from "vscode";
import type { Conversation } from "./conversation";
import type { Stamped } from "./messages";
import type { ChangeHunk, ChangeRevertParams, FileChange } from "./protocol";
import type { Server } from "./server";

/** Long enough for a word to be typed, so that the places are not asked for at each key. */
const SETTLE_MS = 300;

/** A changed place. */
export interface Place {
  change: FileChange;
  hunk: ChangeHunk;
}

export class Changes implements vscode.Disposable {
  private readonly updated = new vscode.EventEmitter<void>();
  readonly onChanged = this.updated.event;
  private changes: FileChange[] = [];
  /** Turns that worked before these eyes. What an older session did is no news. */
  private readonly news = new Set<string>();
  private readonly seen = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private asked = 0;
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly server: Server,
    private readonly conversation: Conversation,
  ) {
    this.subscriptions = [
      this.updated,
      conversation.onStamped((stamped) => {
        this.note(stamped);
        if (stamped.event.type === "changes") {
          this.look();
        }
      }),
      conversation.onReset(() => {
        for (const stamped of conversation.events) {
          this.note(stamped);
        }
        this.look();
      }),
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (this.changes.some(({ uri }) => uri === document.uri.toString())) {
          this.look();
        }
      }),
    ];
  }

  /** The turn that last changed something, and its changes. */
  get turn(): { turnId: string; changes: FileChange[] } | undefined {
    const turnId = this.changes.at(-1)?.turnId;
    const standing = this.changes.filter((change) => change.turnId === turnId && change.state !== "reverted");
    return turnId === undefined || standing.length === 0 ? undefined : { turnId, changes: standing };
  }

  /** All that still stands of the session's changes. */
  get all(): Place[] {
    return this.changes.flatMap((change) => hunksOf(change).map((hunk) => ({ change, hunk })));
  }

  /** Changes of this document that the person has not seen yet. */
  unseen(uri: vscode.Uri): Place[] {
    return this.all.filter(
      (place) => sameUri(place.change.uri, uri) && this.news.has(place.change.turnId) && !this.seen.has(keyOf(place)),
    );
  }

  get unseenFiles(): vscode.Uri[] {
    const uris = new Map(this.changes.map(({ uri }) => [uri, vscode.Uri.parse(uri)]));
    return [...uris.values()].filter((uri) => this.unseen(uri).length > 0);
  }

  /** Keeps these: their marks go. */
  keep(places: Place[]): void {
    for (const place of places) {
      this.seen.add(keyOf(place));
    }
    this.updated.fire();
  }

  /** Takes back what the agent did. What the person changed since stays, and is told. */
  async revert(what: Omit<ChangeRevertParams, "sessionId">): Promise<void> {
    const sessionId = this.conversation.info?.sessionId;
    if (sessionId === undefined) {
      return;
    }
    const { reverted, refused } = await this.server.request("change/revert", { sessionId, ...what });
    await this.ask();
    if (refused.length > 0) {
      const reasons = [...new Set(refused.map(({ uri, reason }) => `${shown(uri)}: ${reason}`))];
      const message = `${refused.length} of ${refused.length + reverted.length} changes stay. ${reasons.join(" ")}`;
      void vscode.window.showWarningMessage(`Pillion: ${message}`);
    }
  }

  /** The text before the turn, and after it. */
  async text(turnId: string, uri: string): Promise<{ before: string; after: string }> {
    const sessionId = this.conversation.info?.sessionId ?? "";
    return this.server.request("change/text", { sessionId, turnId, uri });
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private note({ event, at }: Stamped): void {
    if (event.type === "turnStarted" && at !== undefined) {
      this.news.add(event.turnId);
    }
  }

  private look(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), SETTLE_MS);
  }

  private async ask(): Promise<void> {
    const sessionId = this.conversation.info?.sessionId;
    this.asked += 1;
    const mine = this.asked;
    try {
      const { changes } =
        sessionId === undefined ? { changes: [] } : await this.server.request("change/list", { sessionId });
      // A later question may have been answered before.
      if (mine === this.asked) {
        this.changes = changes;
        this.updated.fire();
      }
    } catch (error) {
      this.server.log.warn(`the changes cannot be listed: ${String(error)}`);
    }
  }
}

/** What of a change still stands, and where that can be told. */
export function hunksOf(change: FileChange): ChangeHunk[] {
  return change.hunks.filter(({ state, range }) => state !== "reverted" && range !== undefined);
}

/** The lines where it stands; where something was only taken away, the line before which it stood. */
export function rangeOf({ range }: ChangeHunk): vscode.Range {
  if (range === undefined) {
    return new vscode.Range(0, 0, 0, 0);
  }
  const isWhole = range.end.character === 0 && range.end.line > range.start.line;
  return new vscode.Range(range.start.line, 0, isWhole ? range.end.line - 1 : range.end.line, 0);
}

/** Whether it stands on one of these lines, counted from 0. */
export function standsOn(hunk: ChangeHunk, first: number, last: number): boolean {
  const { start, end } = rangeOf(hunk);
  return start.line <= last && end.line >= first;
}

/** Ids change when the turn goes on with the file; what was seen stays seen. */
function keyOf({ change, hunk }: Place): string {
  return [change.turnId, change.uri, hunk.old, hunk.new].join("\0");
}

export function shown(uri: string): string {
  return vscode.workspace.asRelativePath(vscode.Uri.parse(uri));
}

function sameUri(left: string, right: vscode.Uri): boolean {
  return vscode.Uri.parse(left).toString() === right.toString();
}
