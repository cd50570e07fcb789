import * as vscode from "vscode";
import { Approvals } from "./approvals";
import { Chat } from "./chat";
import { selection } from "./context";
import { Conversation } from "./conversation";
import { doctor } from "./doctor";
import { environment, setKey } from "./keys";
import type { Mode } from "./protocol";
import { Server } from "./server";

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const server = new Server(context);
  const conversation = new Conversation(server);
  const approvals = new Approvals(server);
  const chat = new Chat(context.extensionUri, server, conversation, approvals);
  server.answer("editor/save", async ({ uris }) => ({ failed: await save(uris) }));
  context.subscriptions.push(server, conversation, approvals, chat);
  context.subscriptions.push(
    conversation.onChanged(
      () => void vscode.commands.executeCommand("setContext", "pillion.turnRuns", conversation.turnId !== undefined),
    ),
  );

  const start = async () => {
    try {
      await server.start(await environment(context.secrets));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      server.log.error(message);
      const choice = await vscode.window.showErrorMessage(`Pillion: ${message}`, "Doctor", "Show Log");
      if (choice === "Doctor") {
        await doctor(context, server);
      } else if (choice === "Show Log") {
        server.log.show();
      }
    }
  };
  const restart = async () => {
    await server.stop();
    await start();
  };

  const commands: Record<string, (...given: never[]) => unknown> = {
    focusChat: () => vscode.commands.executeCommand("pillion.chat.focus"),
    newSession: () => conversation.begin(),
    pickSession: () => pickSession(server, conversation),
    pickModel: () => pickModel(server, conversation),
    pickMode: () => pickMode(conversation),
    stopTurn: () => conversation.stop(),
    askAboutSelection: () => askAboutSelection(chat),
    addToPrompt: (uri?: vscode.Uri) => addToPrompt(chat, uri),
    restartServer: restart,
    showLog: () => server.log.show(),
    doctor: () => doctor(context, server),
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

async function pickSession(server: Server, conversation: Conversation): Promise<void> {
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const { sessions } = await server.request("session/list", root === undefined ? {} : { root });
  const items = sessions.map((session) => ({
    label: session.title || "(no prompt yet)",
    description: new Date(session.updatedAt * 1000).toLocaleString(),
    detail: session.model,
    sessionId: session.sessionId,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: "Pillion: sessions",
    placeHolder: "Search by the first words, the time or the model",
    matchOnDescription: true,
    matchOnDetail: true,
  });
  if (picked !== undefined) {
    await conversation.open(picked.sessionId);
    await vscode.commands.executeCommand("pillion.chat.focus");
  }
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

async function askAboutSelection(chat: Chat): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor !== undefined) {
    await chat.insert([selection(editor)]);
  }
}

async function addToPrompt(chat: Chat, uri: vscode.Uri | undefined): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor !== undefined && (uri === undefined || uri.toString() === editor.document.uri.toString())) {
    await chat.insert([selection(editor)]);
  } else if (uri !== undefined) {
    await chat.insert([{ type: "text", text: `@${vscode.workspace.asRelativePath(uri)} ` }]);
  }
}
