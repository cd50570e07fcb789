import * as vscode from "vscode";
import { Approvals } from "./approvals";
import { Asking } from "./asking";
import { Changes } from "./changes";
import { Chat } from "./chat";
import { CommitMessage } from "./commitMessage";
import { Conversation } from "./conversation";
import { Diagnostics } from "./diagnostics";
import { doctor } from "./doctor";
import { EditHere } from "./editHere";
import { focus } from "./focus";
import { Follow } from "./follow";
import { environment, setKey } from "./keys";
import { Marks } from "./marks";
import { Notices } from "./notices";
import { Proposals } from "./proposals";
import type { Mode } from "./protocol";
import { Questions } from "./questions";
import { Review } from "./review";
import { Server } from "./server";
import { Texts } from "./texts";

let stop = async () => {};

/** Waited for, so that the sessions are free when the window opens again. */
export function deactivate(): Promise<void> {
  return stop();
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const server = new Server(context);
  stop = () => server.stop();
  const conversation = new Conversation(server, context.workspaceState);
  const approvals = new Approvals(server);
  const proposals = new Proposals(approvals);
  const questions = new Questions(server);
  const texts = new Texts();
  const chat = new Chat(context.extensionUri, server, conversation, approvals, questions, texts);
  const notices = new Notices(approvals, questions, conversation, () => chat.isSeen, proposals);
  const asking = new Asking(chat);
  const changes = new Changes(server, conversation);
  const diagnostics = new Diagnostics();
  server.answer("editor/diagnostics", async (params) => diagnostics.of(params));
  server.answer("editor/context", async () => focus());
  server.answer("editor/save", async ({ uris }) => ({ failed: await save(uris) }));
  context.subscriptions.push(server, conversation, approvals, questions, proposals, notices, texts, chat, asking);
  context.subscriptions.push(changes, diagnostics, new EditHere(asking), new Follow(conversation));
  context.subscriptions.push(new CommitMessage(server));
  context.subscriptions.push(new Marks(context.extensionUri, changes), new Review(changes));
  context.subscriptions.push(
    conversation.onChanged(
      () => void vscode.commands.executeCommand("setContext", "pillion.turnRuns", conversation.turnId !== undefined),
    ),
  );

  const start = () => server.start(() => environment(context.secrets));
  const restart = async () => {
    await start();
    // The chat says what is wrong.
    if (server.trouble !== undefined) {
      await vscode.commands.executeCommand("pillion.chat.focus");
    }
  };
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("pillion.server") && !server.isRunning) {
        void start();
      }
    }),
  );

  const commands: Record<string, (...given: never[]) => unknown> = {
    focusChat: () => vscode.commands.executeCommand("pillion.chat.focus"),
    newSession: () => chat.clear(),
    pickSession: () => chat.showSessions(),
    pickModel: () => pickModel(server, conversation),
    pickMode: () => pickMode(conversation),
    stopTurn: () => conversation.stop(),
    restartServer: restart,
    showLog: () => server.log.show(),
    showTrace: () => server.showTrace(),
    openSettings: () => vscode.commands.executeCommand("workbench.action.openSettings", "@ext:pillion.pillion"),
    doctor: () => doctor(context, server, conversation, texts),
    setServerPath,
    setKey: async () => {
      if (await setKey(context.secrets)) {
        await restart();
      }
    },
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(`pillion.${name}`, run));
  }
  // Not awaited: the chat is there while the server starts, and says so if it cannot.
  void start();
}

/** Asks where the program is. Whether it is there is looked at when it is started, which the setting brings about. */
async function setServerPath(): Promise<void> {
  const configuration = vscode.workspace.getConfiguration("pillion");
  const path = await vscode.window.showInputBox({
    title: "Pillion: where is the program?",
    prompt: "Its path, as `command -v pillion` prints it in a terminal. Empty: it is looked for on the PATH.",
    value: configuration.get<string>("server.path", ""),
    ignoreFocusOut: true,
  });
  if (path !== undefined) {
    await configuration.update("server.path", path.trim(), vscode.ConfigurationTarget.Global);
  }
}

/** Saves these documents; the ones that could not be. */
async function save(uris: string[]): Promise<string[]> {
  const failed = await Promise.all(
    uris.map(async (uri) => {
      const document = vscode.workspace.textDocuments.find(
        (open) => open.uri.toString() === vscode.Uri.parse(uri).toString(),
      );
      // One without a name would open a dialog and keep the turn waiting.
      const saved = document !== undefined && !document.isUntitled && (await document.save());
      return saved ? [] : [uri];
    }),
  );
  return failed.flat();
}

async function pickModel(server: Server, conversation: Conversation): Promise<void> {
  const { models } = await server.request("model/list", {});
  const items = models.map((model) => ({ label: model.id, description: model.ready ? "" : (model.hint ?? "") }));
  const picked = await vscode.window.showQuickPick(items, { title: "Pillion: model", matchOnDescription: true });
  if (picked !== undefined) {
    await conversation.configure({ model: picked.label });
  }
}

const MODES: { label: string; mode: Mode; description: string }[] = [
  { label: "Ask", mode: "ask", description: "everything but reading asks" },
  { label: "Accept edits", mode: "acceptEdits", description: "edits in the workspace do not ask" },
  { label: "Plan", mode: "plan", description: "nothing is changed or run" },
  { label: "Auto", mode: "auto", description: "what stays in the workspace does not ask" },
];

async function pickMode(conversation: Conversation): Promise<void> {
  const picked = await vscode.window.showQuickPick(MODES, { title: "Pillion: mode" });
  if (picked !== undefined) {
    await conversation.configure({ mode: picked.mode });
  }
}
