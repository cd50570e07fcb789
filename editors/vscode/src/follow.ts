// Follows the agent, while that is wished: what it reads and edits is opened and shown, and the cursor stays the person's.

import * as vscode from "vscode";
import type { Conversation } from "./conversation";
import type { FileDiff, SessionEvent } from "./protocol";

export class Follow implements vscode.Disposable {
  private readonly mark = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    backgroundColor: new vscode.ThemeColor("editor.rangeHighlightBackground"),
  });
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly conversation: Conversation) {
    const set = (on: boolean) => () =>
      vscode.workspace.getConfiguration("pillion").update("followAgent", on, vscode.ConfigurationTarget.Global);
    this.subscriptions = [
      this.mark,
      vscode.commands.registerCommand("pillion.followAgent", set(true)),
      vscode.commands.registerCommand("pillion.unfollowAgent", set(false)),
      conversation.onStamped(({ event, at }) => {
        // What happened before this window watched is past.
        const place = isOn() && at !== undefined ? placeOf(event) : undefined;
        if (place !== undefined) {
          void this.show(place);
        }
      }),
    ];
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private async show({ path, line }: Place): Promise<void> {
    const root = this.conversation.info?.roots[0];
    const uri = uriOf(path, root);
    try {
      const document = await vscode.workspace.openTextDocument(uri);
      const editor = await vscode.window.showTextDocument(document, {
        preserveFocus: true,
        preview: true,
        viewColumn: besideThePerson(),
      });
      const range = document.lineAt(Math.min(line, document.lineCount - 1)).range;
      editor.revealRange(range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      editor.setDecorations(this.mark, [range]);
    } catch {
      // A folder, an image, a file that is gone: there is nothing to show.
    }
  }
}

interface Place {
  path: string;
  /** From 0. */
  line: number;
}

/** Never where the person types, as their next key would go into another file. */
function besideThePerson(): vscode.ViewColumn {
  const { all, activeTabGroup } = vscode.window.tabGroups;
  if (activeTabGroup.tabs.length === 0) {
    return activeTabGroup.viewColumn;
  }
  return all.find(({ isActive }) => !isActive)?.viewColumn ?? vscode.ViewColumn.Beside;
}

function isOn(): boolean {
  return vscode.workspace.getConfiguration("pillion").get("followAgent", false);
}

function placeOf(event: SessionEvent): Place | undefined {
  switch (event.type) {
    case "nested":
      return placeOf(event.event);
    case "toolCall": {
      const { path, offset } = (event.input ?? {}) as { path?: unknown; offset?: unknown };
      const isRead = event.tool === "read" && typeof path === "string";
      return isRead ? { path, line: typeof offset === "number" ? Math.max(0, offset - 1) : 0 } : undefined;
    }
    case "approvalRequested":
      return event.approval.diff && changedIn(event.approval.diff);
    case "toolResult":
      return event.diff && changedIn(event.diff);
    default:
      return undefined;
  }
}

function changedIn({ path, hunks }: FileDiff): Place {
  const [first] = hunks;
  const context = first?.text.split("\n").findIndex((line) => !line.startsWith(" ")) ?? 0;
  return { path, line: Math.max(0, (first?.newStart ?? 1) - 1 + Math.max(0, context)) };
}

function uriOf(path: string, root: string | undefined): vscode.Uri {
  if (path.startsWith("untitled:") || path.startsWith("file:")) {
    return vscode.Uri.parse(path);
  }
  const isAbsolute = path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path);
  return isAbsolute || root === undefined ? vscode.Uri.file(path) : vscode.Uri.joinPath(vscode.Uri.file(root), path);
}
