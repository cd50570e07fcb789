// What the chat's code and places do in the editor.

import * as vscode from "vscode";
import { pathOf } from "./context";
import type { ContentBlock } from "./protocol";

/** Opens a file by its path, absolute or relative to `root`, or a document by its URI. */
export async function openFile(path: string, line: number | undefined, root: string | undefined): Promise<void> {
  const uri = uriOf(path, root);
  const options: vscode.TextDocumentShowOptions = { preview: true };
  if (line !== undefined) {
    options.selection = new vscode.Range(line - 1, 0, line - 1, 0);
  }
  try {
    await vscode.window.showTextDocument(uri, options);
  } catch {
    // A name the model wrote may leave folders out: then the editor's own search finds it.
    await vscode.commands.executeCommand("workbench.action.quickOpen", path);
  }
}

function uriOf(path: string, root: string | undefined): vscode.Uri {
  if (/^[a-z][a-z0-9+.-]+:/i.test(path)) {
    return vscode.Uri.parse(path);
  }
  const isAbsolute = /^(?:[\\/]|[a-z]:)/i.test(path);
  const folder = root === undefined ? vscode.workspace.workspaceFolders?.[0]?.uri : vscode.Uri.file(root);
  return isAbsolute || folder === undefined ? vscode.Uri.file(path) : vscode.Uri.joinPath(folder, path);
}

/** Puts code in place of the editor's selection; into a document of its own where no editor is open. */
export async function insertCode(text: string): Promise<void> {
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
  if (editor === undefined) {
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: text }));
    return;
  }
  await editor.edit((edit) => edit.replace(editor.selection, text.replace(/\n$/, "")));
  await vscode.window.showTextDocument(editor.document, editor.viewColumn);
}

/** Asks to work code into the file that is open: where it belongs there is for the model to see. */
export function applyPrompt(text: string, language: string): ContentBlock[] {
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
  if (editor === undefined) {
    throw new Error("No file is open that the code could be applied to. Open it, and try again.");
  }
  const { uri } = editor.document;
  const name = vscode.workspace.asRelativePath(uri);
  const fence = "`".repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  const code = `${fence}${language}\n${text.replace(/\n$/, "")}\n${fence}`;
  return [
    { type: "file", path: pathOf(uri) },
    { type: "text", text: `Apply this code to ${name}, where it belongs, and change nothing else:\n\n${code}` },
  ];
}
