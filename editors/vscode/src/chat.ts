// The chat view's other half: hands events to the web view and does what the person asks there.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { Approvals } from "./approvals";
import { complete, promptText } from "./context";
import type { Conversation } from "./conversation";
import type { FromView, Status, ToView } from "./messages";
import type { ContentBlock, ModelInfo } from "./protocol";
import type { Server } from "./server";

export class Chat implements vscode.WebviewViewProvider, vscode.Disposable {
  private view: vscode.WebviewView | undefined;
  /** The web view has said that it listens. */
  private isReady = false;
  private models: ModelInfo[] = [];
  /** What came before the view was there. */
  private pending: ToView[] = [];
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly server: Server,
    private readonly conversation: Conversation,
    private readonly approvals: Approvals,
  ) {
    this.subscriptions = [
      vscode.window.registerWebviewViewProvider("pillion.chat", this),
      conversation.onEvents((events) => this.tell({ type: "events", events })),
      conversation.onReset(() => this.reset()),
      conversation.onChanged(() => this.tell({ type: "status", status: this.status() })),
      approvals.onChanged(() => this.tell({ type: "approvals", approvals: approvals.open })),
      server.onState((running) => {
        if (running) {
          void this.loadModels();
        }
        this.tell({ type: "status", status: this.status() });
      }),
    ];
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    this.view = view;
    this.isReady = false;
    const folder = vscode.Uri.joinPath(this.extensionUri, "dist", "webview");
    view.webview.options = { enableScripts: true, localResourceRoots: [folder] };
    view.webview.html = page(view.webview, folder);
    view.webview.onDidReceiveMessage((message: FromView) => void this.heed(message));
    view.onDidDispose(() => {
      this.view = undefined;
      this.isReady = false;
    });
  }

  /** Shows the view, and puts this into its prompt. */
  async insert(blocks: ContentBlock[]): Promise<void> {
    const message: ToView = { type: "insert", blocks, focus: true };
    if (this.isReady) {
      this.tell(message);
    } else {
      this.pending.push(message);
    }
    await vscode.commands.executeCommand("pillion.chat.focus");
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private tell(message: ToView): void {
    if (this.isReady) {
      void this.view?.webview.postMessage(message);
    }
  }

  private reset(): void {
    this.tell({ type: "reset", events: this.conversation.events, status: this.status() });
    this.tell({ type: "approvals", approvals: this.approvals.open });
  }

  private status(): Status {
    const { info, turnId, queue } = this.conversation;
    return {
      running: turnId !== undefined,
      connected: this.server.isRunning,
      model: info?.model,
      mode: info?.mode ?? "ask",
      models: this.models,
      title: info?.title ?? "",
      queue: queue.map(({ id, prompt }) => ({ id, text: promptText(prompt) })),
    };
  }

  private async loadModels(): Promise<void> {
    this.models = (await this.server.request("model/list", {})).models;
    this.tell({ type: "status", status: this.status() });
  }

  private async heed(message: FromView): Promise<void> {
    try {
      await this.act(message);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      this.server.log.error(text);
      const back = message.type === "say" ? { prompt: message.prompt } : {};
      this.tell({ type: "failed", message: text, ...back });
    }
  }

  private async act(message: FromView): Promise<void> {
    switch (message.type) {
      case "ready":
        this.isReady = true;
        this.reset();
        for (const waiting of this.pending.splice(0)) {
          this.tell(waiting);
        }
        return;
      case "say":
        return message.how === "steer"
          ? this.conversation.steer(message.prompt)
          : this.conversation.say(message.prompt);
      case "unqueue": {
        const queued = this.conversation.unqueue(message.id);
        if (queued !== undefined) {
          this.tell({ type: "insert", blocks: queued.prompt, focus: true });
        }
        return;
      }
      case "stop":
        return this.conversation.stop();
      case "decide":
        return this.approvals.decide(message.approvalId, message.decision);
      case "showDiff":
        return this.approvals.show(message.approvalId);
      case "openFile":
        return openFile(message.path, message.line);
      case "copy":
        return vscode.env.clipboard.writeText(message.text);
      case "insertCode":
        return insertCode(message.text);
      case "configure": {
        const { type: _, ...settings } = message;
        return this.conversation.configure(settings);
      }
      case "complete":
        this.tell({ type: "completions", request: message.request, items: await complete(message.query) });
        return;
      case "command":
        await vscode.commands.executeCommand(`pillion.${message.command}`);
    }
  }
}

async function openFile(path: string, line: number | undefined): Promise<void> {
  const uri = /^[a-z][a-z0-9+.-]+:/i.test(path) ? vscode.Uri.parse(path) : vscode.Uri.file(path);
  const options: vscode.TextDocumentShowOptions = { preview: true };
  if (line !== undefined) {
    options.selection = new vscode.Range(line - 1, 0, line - 1, 0);
  }
  await vscode.window.showTextDocument(uri, options);
}

async function insertCode(text: string): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) {
    const document = await vscode.workspace.openTextDocument({ content: text });
    await vscode.window.showTextDocument(document);
    return;
  }
  await editor.edit((edit) => edit.replace(editor.selection, text));
}

/** Nothing is loaded from anywhere but the extension's own folder, and no script runs but the one named here. */
function page(webview: vscode.Webview, folder: vscode.Uri): string {
  const nonce = randomBytes(16).toString("base64url");
  const uri = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(folder, name)).toString();
  const policy = [
    "default-src 'none'",
    `style-src ${webview.cspSource}`,
    `script-src 'nonce-${nonce}'`,
    `font-src ${webview.cspSource}`,
    "img-src data:",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<link rel="stylesheet" href="${uri("styles.css")}">
<title>Pillion</title>
</head>
<body>
<div id="app"></div>
<script nonce="${nonce}" src="${uri("main.js")}"></script>
</body>
</html>`;
}
