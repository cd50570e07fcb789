// The chat view's other half: hands events to the web view and does what the person asks there.

import * as vscode from "vscode";
import type { Approvals } from "./approvals";
import { applyPrompt, insertCode, openFile } from "./code";
import { complete, promptText } from "./context";
import type { Conversation } from "./conversation";
import { isNotConfigured, messageOf } from "./errors";
import type { FromView, How, Status, ToView } from "./messages";
import { Outbox } from "./outbox";
import { page } from "./page";
import type { ContentBlock, ModelListResponse } from "./protocol";
import type { Questions } from "./questions";
import type { Server } from "./server";
import type { Texts } from "./texts";

/** The most sessions that are listed. */
const SESSIONS = 500;

export class Chat implements vscode.WebviewViewProvider, vscode.Disposable {
  private view: vscode.WebviewView | undefined;
  /** The web view has said that it listens. */
  private isReady = false;
  private known: ModelListResponse = { models: [] };
  /** What came before the view was there. */
  private pending: ToView[] = [];
  private readonly outbox = new Outbox(async (message) => this.tell(message));
  private readonly subscriptions: vscode.Disposable[];

  constructor(
    private readonly extensionUri: vscode.Uri,
    private readonly server: Server,
    private readonly conversation: Conversation,
    private readonly approvals: Approvals,
    private readonly questions: Questions,
    private readonly texts: Texts,
  ) {
    const tellStatus = () => this.tell({ type: "status", status: this.status() });
    const tellWaiting = () => this.tell(this.waiting());
    this.subscriptions = [
      // The typed text, the open rows and the place in the conversation survive that another view is looked at.
      vscode.window.registerWebviewViewProvider("pillion.chat", this, {
        webviewOptions: { retainContextWhenHidden: true },
      }),
      conversation.onStamped((stamped) => {
        if (this.isReady) {
          this.outbox.push(stamped);
        }
      }),
      conversation.onReset(() => this.reset()),
      conversation.onChanged(tellStatus),
      approvals.onChanged(tellWaiting),
      questions.onChanged(tellWaiting),
      server.onState((running) => {
        if (!running && server.trouble !== undefined && this.view?.visible === false) {
          void this.pointToTrouble(server.trouble.message);
        }
        if (running) {
          this.loadModels().catch((error: unknown) => server.log.warn(`the models cannot be listed: ${String(error)}`));
        }
        tellStatus();
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

  get isSeen(): boolean {
    return this.view?.visible === true;
  }

  /** Says this. What cannot be said comes into the prompt, with the reason. */
  async say(prompt: ContentBlock[], how?: How): Promise<void> {
    try {
      await this.conversation.say(prompt, how);
    } catch (error) {
      const message = messageOf(error);
      this.server.log.error(message);
      // What is to be done first is shown beside the prompt already.
      const type = !this.server.isRunning || isNotConfigured(error) ? "notYet" : "failed";
      this.deliver({ type, message, prompt });
    }
  }

  /** Shows the view, and puts this into its prompt. */
  async insert(blocks: ContentBlock[]): Promise<void> {
    await this.show({ type: "insert", blocks, focus: true });
  }

  /** Shows the list of sessions. */
  async showSessions(): Promise<void> {
    await this.show({ type: "show", what: "sessions" });
  }

  /** Begins another session. */
  async clear(): Promise<void> {
    // Both at once: what is said from here on is said to the other session, and the focus must not move after that.
    await Promise.all([this.show({ type: "show", what: "prompt" }), this.conversation.clear()]);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private async show(message: ToView): Promise<void> {
    this.deliver(message);
    await vscode.commands.executeCommand("pillion.chat.focus");
  }

  /** Tells it now, or as soon as the view is there. */
  private deliver(message: ToView): void {
    if (this.isReady) {
      void this.tell(message);
    } else {
      this.pending.push(message);
    }
  }

  private async pointToTrouble(message: string): Promise<void> {
    const answer = await vscode.window.showErrorMessage(message, "Open the Chat");
    if (answer !== undefined) {
      await vscode.commands.executeCommand("pillion.chat.focus");
    }
  }

  private async tell(message: ToView): Promise<void> {
    if (this.isReady) {
      await this.view?.webview.postMessage(message);
    }
  }

  private reset(): void {
    this.outbox.clear();
    void this.tell({ type: "reset", events: [...this.conversation.events], status: this.status() });
    void this.tell(this.waiting());
  }

  private waiting(): ToView {
    const [approvals, questions] = [this.approvals.open, this.questions.open];
    const elsewhere: Record<string, string> = {};
    for (const { sessionId } of [...approvals, ...questions]) {
      const title = this.conversation.elsewhere(sessionId);
      if (title !== undefined) {
        elsewhere[sessionId] = title;
      }
    }
    return { type: "waiting", approvals, questions, elsewhere };
  }

  private status(): Status {
    const { info, turnId, queue, mode, model } = this.conversation;
    return {
      running: turnId !== undefined,
      connected: this.server.isRunning,
      trouble: this.server.trouble,
      sessionId: info?.sessionId,
      model: model ?? this.known.default,
      mode,
      models: this.known.models,
      title: info?.title ?? "",
      queue: queue.map(({ id, prompt }) => ({ id, text: promptText(prompt) })),
    };
  }

  private async loadModels(): Promise<void> {
    this.known = await this.server.request("model/list", {});
    void this.tell({ type: "status", status: this.status() });
  }

  private async heed(message: FromView): Promise<void> {
    try {
      await this.act(message);
    } catch (error) {
      const text = messageOf(error);
      this.server.log.error(text);
      void this.tell({ type: "failed", message: text });
    }
  }

  private async act(message: FromView): Promise<void> {
    const { conversation, server } = this;
    switch (message.type) {
      case "ready":
        this.isReady = true;
        this.reset();
        for (const waiting of this.pending.splice(0)) {
          void this.tell(waiting);
        }
        return;
      case "say":
        return this.say(message.prompt, message.how);
      case "unqueue":
        return this.unqueue(message.id, message.how);
      case "stop":
        return conversation.stop();
      case "decide":
        return this.approvals.decide(message.approvalId, message.decision);
      case "answer":
        return this.questions.answer(message.questionId, message.answer);
      case "showDiff":
        await vscode.commands.executeCommand("pillion.approval.show", message.approvalId);
        return;
      case "openFile":
        return openFile(message.path, message.line, conversation.info?.roots[0]);
      case "openText":
        return this.texts.add("Output", message.text);
      case "copy":
        return vscode.env.clipboard.writeText(message.text);
      case "insertCode":
        return insertCode(message.text);
      case "applyCode":
        return this.say(applyPrompt(message.text, message.language));
      case "configure": {
        const { type: _, ...settings } = message;
        return conversation.configure(settings);
      }
      case "complete":
        return complete(message.query, (items) => {
          void this.tell({ type: "completions", request: message.request, items });
        });
      case "listCommands": {
        const sessionId = conversation.info?.sessionId;
        const { commands } = await server.request("command/list", sessionId === undefined ? {} : { sessionId });
        return this.tell({ type: "commands", commands });
      }
      case "listSessions":
        return this.listSessions();
      case "openSession":
        return conversation.open(message.sessionId);
      case "forkSession":
        return conversation.fork(message.sessionId ?? this.sessionId(), message.turnId);
      case "renameSession":
        await conversation.rename(message.sessionId, message.title);
        return this.listSessions();
      case "deleteSession":
        await conversation.delete(message.sessionId);
        return this.listSessions();
      case "background":
        await server.request("turn/background", { sessionId: this.sessionId(), callId: message.callId });
        return;
      case "readTask": {
        const { taskId } = message;
        const { text } = await server.request("task/read", { sessionId: this.sessionId(), taskId });
        return this.texts.add("Output", text);
      }
      case "cancelTask":
        await server.request("task/cancel", { sessionId: this.sessionId(), taskId: message.taskId });
        return;
      case "compact":
        return conversation.compact();
      case "command":
        await vscode.commands.executeCommand(`pillion.${message.command}`);
    }
  }

  private sessionId(): string {
    return this.conversation.info?.sessionId ?? "";
  }

  private async unqueue(id: number, how: How | "edit" | "drop"): Promise<void> {
    const queued = this.conversation.unqueue(id);
    if (queued === undefined || how === "drop") {
      return;
    }
    if (how === "edit") {
      await this.tell({ type: "insert", blocks: queued.prompt, focus: true });
    } else {
      await this.say(queued.prompt, how);
    }
  }

  private async listSessions(): Promise<void> {
    const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
    const here = root === undefined ? {} : { root };
    const { sessions } = await this.server.request("session/list", { limit: SESSIONS, ...here });
    await this.tell({ type: "sessions", sessions, current: this.conversation.info?.sessionId });
  }
}
