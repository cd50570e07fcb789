// `Pillion: Doctor` says what is wrong and how to put it right.

import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { promisify } from "node:util";
import * as vscode from "vscode";
import type { Conversation } from "./conversation";
import { messageOf } from "./errors";
import { findServer, PROGRAM, type Server } from "./server";
import type { Texts } from "./texts";

/** Long enough for a cold disk. */
const VERSION_LIMIT_MS = 10_000;

const run = promisify(execFile);

/** What can be done at once. */
interface Remedy {
  title: string;
  command: string;
}

class Report {
  readonly lines: string[] = [];
  readonly remedies: Remedy[] = [];

  good(text: string): void {
    this.lines.push(`- ✓ ${text}`);
  }

  bad(text: string, advice: string, remedy?: Remedy): void {
    this.lines.push(`- ✗ ${text}`, `  - ${advice}`);
    if (remedy !== undefined) {
      this.remedies.push(remedy);
    }
  }
}

export async function doctor(
  context: vscode.ExtensionContext,
  server: Server,
  conversation: Conversation,
  texts: Texts,
): Promise<void> {
  await server.settled();
  const report = new Report();
  const section = (title: string) => report.lines.push("", `## ${title}`, "");
  section("Program");
  await program(report, context, server);
  if (server.isRunning) {
    section("Model");
    await model(report, server);
    section("Settings");
    await settings(report, context);
    section("Permissions");
    permissions(report, conversation);
    section("MCP servers");
    await mcp(report, server);
  }
  section("Workspace");
  workspace(report);

  await texts.show("Pillion Doctor.md", ["# Pillion: Doctor", ...report.lines, ""].join("\n"));
  const [first] = report.remedies;
  if (first !== undefined) {
    const chosen = await vscode.window.showInformationMessage(
      "Pillion: something can be put right.",
      ...report.remedies.map(({ title }) => title),
    );
    const remedy = report.remedies.find(({ title }) => title === chosen);
    if (remedy !== undefined) {
      await vscode.commands.executeCommand(remedy.command);
    }
  }
}

async function program(report: Report, context: vscode.ExtensionContext, server: Server): Promise<void> {
  const found = findServer(context.extensionPath);
  const setPath = { title: "Set Its Path", command: "pillion.setServerPath" };
  if (found === undefined) {
    const advice = "Install it (`cargo install --path .` in Pillion's folder), or set `pillion.server.path`.";
    report.bad("The `pillion` program was not found in the settings, the extension or the `PATH`.", advice, setPath);
    // That it does not run says nothing more.
    return;
  } else {
    try {
      accessSync(found.path, constants.X_OK);
      const { stdout } = await run(found.path, ["--version"], { timeout: VERSION_LIMIT_MS });
      report.good(`\`${found.path}\` (from ${found.from}) is ${stdout.trim()}.`);
    } catch (error) {
      const why = messageOf(error).trim();
      report.bad(
        `\`${found.path}\` (from ${found.from}) cannot be run: ${why}`,
        "Check `pillion.server.path`, and that the file may be executed (`chmod +x`).",
        setPath,
      );
      return;
    }
  }
  if (!server.isRunning) {
    report.bad("The server does not run.", "Start it; if it ends again, its last words are in the log.", {
      title: "Restart Server",
      command: "pillion.restartServer",
    });
    return;
  }
  report.good("The server runs.");
  if (server.mismatch !== undefined) {
    report.bad(server.mismatch, "They may not understand each other in everything.");
  }
}

async function model(report: Report, server: Server): Promise<void> {
  const { models, default: chosen } = await server.request("model/list", {});
  const setKey = { title: "Set a Key", command: "pillion.setKey" };
  if (chosen === undefined) {
    const hint = models.find(({ ready }) => !ready)?.hint ?? "Set `pillion.model`.";
    report.bad("No model is chosen.", `Run *Pillion: Set a Provider's Key...*, or: ${hint}`, setKey);
    return;
  }
  const info = models.find(({ id }) => id === chosen);
  if (info?.ready === false) {
    report.bad(`The model \`${chosen}\` cannot be asked.`, info.hint ?? "Set its provider's key.", setKey);
  } else {
    report.good(`Model: \`${chosen}\`.`);
  }
}

/** The files of settings: the person's, and the project's. */
async function settings(report: Report, context: vscode.ExtensionContext): Promise<void> {
  const cwd = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const path = findServer(context.extensionPath)?.path ?? PROGRAM;
  try {
    await run(path, ["config", "check"], { timeout: VERSION_LIMIT_MS, ...(cwd === undefined ? {} : { cwd }) });
    report.good("Nothing is wrong with the files of settings.");
  } catch (error) {
    // It ends with 1 and a line for each.
    const told = (error as { stdout?: string }).stdout?.trim() || messageOf(error);
    for (const line of told.split("\n")) {
      report.bad(line, "Correct it there.");
    }
  }
}

/** As the server has it: it takes no mode from the editor's settings that is laxer than the person's own file. */
function permissions(report: Report, { info, mode }: Conversation): void {
  if (info !== undefined) {
    report.good(`Mode of this session: \`${info.mode}\`.`);
  } else if (mode !== undefined) {
    report.good(`Mode of the next session, as you chose: \`${mode}\`.`);
  } else {
    report.good("The next session begins in the mode of your settings, else in `ask`. The chat shows it from then on.");
  }
  report.good(
    "What was allowed for good is in `rules.toml`, beside your `config.toml` and, by project, among its state.",
  );
}

async function mcp(report: Report, server: Server): Promise<void> {
  const { servers } = await server.request("mcp/list", {});
  if (servers.length === 0) {
    report.good("None is set.");
  }
  for (const { name, state, tools, error } of servers) {
    if (state === "failed") {
      report.bad(
        `\`${name}\` failed: ${error ?? "no reason is known"}`,
        "Check its command or address in `config.toml`.",
      );
    } else {
      report.good(`\`${name}\`: ${state}, ${tools} tools.`);
    }
  }
}

function workspace(report: Report): void {
  const folders = vscode.workspace.workspaceFolders;
  if (folders === undefined) {
    report.bad("No folder is open.", "Open one: without it every file is outside, and everything asks.", {
      title: "Open Folder",
      command: "workbench.action.files.openFolder",
    });
  } else {
    report.good(`Folders: ${folders.map(({ uri }) => `\`${uri.fsPath}\``).join(", ")}`);
  }
}
