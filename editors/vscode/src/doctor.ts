// `Pillion: Doctor` says what is wrong and how to put it right.

import { accessSync, constants } from "node:fs";
import * as vscode from "vscode";
import { findServer, type Server } from "./server";

export async function doctor(context: vscode.ExtensionContext, server: Server): Promise<void> {
  const lines = ["# Pillion: Doctor", ""];
  const good = (text: string) => lines.push(`- ✓ ${text}`);
  const bad = (text: string, advice: string) => lines.push(`- ✗ ${text}\n  - ${advice}`);

  const found = findServer(context.extensionPath);
  if (found === undefined) {
    bad("The `pillion` program was not found.", "Install it, or set `pillion.server.path` to where it is.");
  } else {
    try {
      accessSync(found.path, constants.X_OK);
      good(`Program: \`${found.path}\` (from ${found.from})`);
    } catch {
      bad(`\`${found.path}\` cannot be run.`, "Check `pillion.server.path` and the file's permissions.");
    }
  }
  if (server.isRunning) {
    good(`The server runs, version ${server.version ?? "unknown"}.`);
    const wanted: unknown = (context.extension.packageJSON as Record<string, unknown>)["version"];
    if (server.version !== wanted) {
      bad(
        `The extension is version ${String(wanted)}, the server ${server.version ?? "unknown"}.`,
        "Update the older one; the protocol may have changed between them.",
      );
    }
    const { models, default: chosen } = await server.request("model/list", {});
    if (chosen === undefined) {
      const hint = models.find((model) => !model.ready)?.hint ?? "Set `pillion.model`.";
      bad("No model is chosen.", `Run *Pillion: Set a Provider's Key...*, or: ${hint}`);
    } else {
      const model = models.find(({ id }) => id === chosen);
      if (model?.ready === false) {
        bad(`The model \`${chosen}\` cannot be asked.`, model.hint ?? "Set its provider's key.");
      } else {
        good(`Model: \`${chosen}\``);
      }
    }
  } else {
    bad("The server does not run.", "Run *Pillion: Restart Server*, and look at *Pillion: Show Log* if it ends again.");
  }
  if (vscode.workspace.workspaceFolders === undefined) {
    bad("No folder is open.", "Open one: without it every file is outside, and everything asks.");
  } else {
    good(`Folders: ${vscode.workspace.workspaceFolders.map(({ uri }) => `\`${uri.fsPath}\``).join(", ")}`);
  }
  const document = await vscode.workspace.openTextDocument({ content: lines.join("\n"), language: "markdown" });
  await vscode.window.showTextDocument(document, { preview: true });
}
