// What a prompt can point at.

import * as vscode from "vscode";
import type { Completion } from "./messages";
import type { ContentBlock, Problem, ProblemSeverity } from "./protocol";

/** At most so many files are looked through for a mention. */
const FILES = 20_000;
/** A list of files is good for so long, in milliseconds. */
const FRESH = 10_000;
/** Language servers that take longer for symbols than this, in milliseconds, are not waited for. */
const SYMBOL_TIME = 1500;
const SHOWN_FILES = 12;
const SHOWN_SYMBOLS = 10;
/** Folders that nobody mentions, beside those that the editor leaves out itself. */
const LEFT_OUT = ["**/node_modules/**", "**/.git/**", "**/target/**", "**/__pycache__/**", "**/.venv/**"];

const SEVERITIES: ProblemSeverity[] = ["error", "warning", "information", "hint"];

/** The lines of the editor's selection, or the line of its cursor. */
export function selection(editor: vscode.TextEditor): ContentBlock {
  const { document, selection } = editor;
  // A selection that ends before a line's first character does not mean that line.
  const endsBefore = !selection.isEmpty && selection.end.character === 0 && selection.end.line > selection.start.line;
  return linesOf(document, selection.start.line, endsBefore ? selection.end.line - 1 : selection.end.line);
}

/** These lines, counted from 0, the last included. */
export function linesOf(document: vscode.TextDocument, first: number, last: number): ContentBlock {
  const lines = new vscode.Range(first, 0, last, document.lineAt(last).text.length);
  return {
    type: "selection",
    path: pathOf(document.uri),
    startLine: first + 1,
    endLine: last + 1,
    text: document.getText(lines),
  };
}

/** How the server calls a document: its path, or the URI of one that is in no file. */
export function pathOf(uri: vscode.Uri): string {
  return uri.scheme === "file" ? uri.fsPath : uri.toString();
}

/** The problems that the editor shows, of one document or of all; `undefined` if there are none. */
export function problems(uri?: vscode.Uri): ContentBlock | undefined {
  const all: [vscode.Uri, readonly vscode.Diagnostic[]][] =
    uri === undefined ? vscode.languages.getDiagnostics() : [[uri, vscode.languages.getDiagnostics(uri)]];
  const found = all.flatMap(([file, diagnostics]) => diagnostics.map((diagnostic) => problem(file, diagnostic)));
  return found.length === 0 ? undefined : { type: "diagnostics", problems: found };
}

export function problem(uri: vscode.Uri, diagnostic: vscode.Diagnostic): Problem {
  const code = typeof diagnostic.code === "object" ? diagnostic.code.value : diagnostic.code;
  return {
    path: pathOf(uri),
    line: diagnostic.range.start.line + 1,
    severity: SEVERITIES[diagnostic.severity] ?? "information",
    message: diagnostic.message,
    ...(code === undefined ? {} : { code: String(code) }),
    ...(diagnostic.source === undefined ? {} : { source: diagnostic.source }),
  };
}

/**
 * What can be mentioned, for what was typed after an `@`. `tell` gets it at once, and again with the symbols, which
 * take longer.
 */
export async function complete(query: string, tell: (items: Completion[]) => void): Promise<void> {
  if (/^https?:\/\/./.test(query)) {
    tell([{ label: query, detail: "the model may fetch it, if you allow it", block: { type: "url", url: query } }]);
    return;
  }
  const items = [...ofEditor(query), ...(await files(query))];
  tell(items);
  if (query.length >= 2) {
    const symbols = await workspaceSymbols(query);
    if (symbols.length > 0) {
      tell([...items, ...symbols]);
    }
  }
}

/** What is on the screen: the file, the selection, the problems. */
function ofEditor(query: string): Completion[] {
  const items: Completion[] = [];
  const add = (label: string, detail: string, block: ContentBlock | undefined) => {
    if (block !== undefined && label.startsWith(query.toLowerCase())) {
      items.push({ label, detail, block });
    }
  };
  const editor = vscode.window.activeTextEditor ?? vscode.window.visibleTextEditors[0];
  if (editor !== undefined) {
    const { uri } = editor.document;
    const name = vscode.workspace.asRelativePath(uri);
    add("file", name, { type: "file", path: pathOf(uri) });
    if (!editor.selection.isEmpty) {
      add("selection", `lines of ${name}`, selection(editor));
    }
    add("problems", `of ${name}`, problems(uri));
  }
  add("problems in all files", "what the Problems panel shows", problems());
  return items;
}

let known: { at: number; names: Promise<[string, vscode.Uri][]> } | undefined;

/** The workspace's files, by their names relative to it. */
function allFiles(): Promise<[string, vscode.Uri][]> {
  if (known === undefined || Date.now() - known.at > FRESH) {
    const excluded = { ...configured("files.exclude"), ...configured("search.exclude") };
    const patterns = Object.keys(excluded).filter((pattern) => excluded[pattern] === true);
    const names = vscode.workspace
      .findFiles("**/*", `{${[...patterns, ...LEFT_OUT].join(",")}}`, FILES)
      .then((uris) => uris.map((uri): [string, vscode.Uri] => [vscode.workspace.asRelativePath(uri), uri]));
    known = { at: Date.now(), names: Promise.resolve(names) };
  }
  return known.names;
}

function configured(name: string): Record<string, unknown> {
  return vscode.workspace.getConfiguration().get<Record<string, unknown>>(name, {});
}

async function files(query: string): Promise<Completion[]> {
  const candidates: { name: string; score: number; block: ContentBlock }[] = [];
  const folders = new Map<string, string>();
  for (const [name, uri] of await allFiles()) {
    const score = likeness(name, query);
    if (score > 0) {
      candidates.push({ name, score, block: { type: "file", path: pathOf(uri) } });
    }
    // Folders are known by their files.
    const folder = name.slice(0, Math.max(0, name.lastIndexOf("/")));
    if (folder !== "" && !folders.has(folder)) {
      folders.set(folder, pathOf(vscode.Uri.joinPath(uri, "..")));
    }
  }
  for (const [name, path] of folders) {
    const score = query === "" ? 0 : likeness(name, query) - 1;
    if (score > 0) {
      candidates.push({ name, score, block: { type: "folder", path } });
    }
  }
  candidates.sort((left, right) => right.score - left.score || left.name.length - right.name.length);
  return candidates.slice(0, SHOWN_FILES).map(({ name, block }) => {
    const slash = name.lastIndexOf("/");
    return { label: name.slice(slash + 1), detail: slash < 0 ? "" : name.slice(0, slash), block };
  });
}

/** How well a path fits what was typed; 0 if it does not. Letters must come in their order; runs and names count more. */
export function likeness(path: string, query: string): number {
  if (query === "") {
    return 1;
  }
  const text = path.toLowerCase();
  const wanted = query.toLowerCase();
  const name = text.slice(text.lastIndexOf("/") + 1);
  if (name.startsWith(wanted)) {
    return 1000 - name.length;
  }
  if (name.includes(wanted)) {
    return 700 - name.length;
  }
  if (text.includes(wanted)) {
    return 400 - Math.min(300, text.length);
  }
  let at = -1;
  let jumps = 0;
  for (const letter of wanted) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) {
      return 0;
    }
    jumps += next === at + 1 ? 0 : 1;
    at = next;
  }
  return Math.max(1, 90 - 10 * jumps);
}

async function workspaceSymbols(query: string): Promise<Completion[]> {
  const asked = vscode.commands.executeCommand<vscode.SymbolInformation[] | undefined>(
    "vscode.executeWorkspaceSymbolProvider",
    query,
  );
  const late = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), SYMBOL_TIME);
  });
  const found = (await Promise.race([asked, late])) ?? [];
  const inWorkspace = found.filter(({ location }) => vscode.workspace.getWorkspaceFolder(location.uri) !== undefined);
  return inWorkspace.slice(0, SHOWN_SYMBOLS).map(({ name, location }) => {
    const { start, end } = location.range;
    return {
      label: name,
      detail: `${vscode.workspace.asRelativePath(location.uri)}:${start.line + 1}`,
      block: {
        type: "symbol",
        path: pathOf(location.uri),
        name,
        startLine: start.line + 1,
        endLine: end.line + 1,
      },
    };
  });
}

/** A prompt as one line of text, for lists. */
export function promptText(prompt: ContentBlock[]): string {
  return prompt.map(blockText).join(" ").replaceAll(/\s+/g, " ").trim();
}

function blockText(block: ContentBlock): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "selection":
    case "range":
      return `@${vscode.workspace.asRelativePath(block.path)}:${block.startLine}-${block.endLine}`;
    case "file":
    case "folder":
      return `@${vscode.workspace.asRelativePath(block.path)}`;
    case "symbol":
      return `@${block.name}`;
    default:
      return `[${block.type}]`;
  }
}
