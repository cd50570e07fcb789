// Asking from where the person is: a problem, a selection, a place, the terminal, a failed test.

import * as vscode from "vscode";
import type { Chat } from "./chat";
import { linesOf, selection } from "./context";
import type { ContentBlock, Problem, ProblemSeverity } from "./protocol";

const EVERYWHERE: vscode.DocumentSelector = [{ scheme: "file" }, { scheme: "untitled" }];

const ASKS = {
  explain: "Explain what this does, and what is not obvious about it.",
  document: "Write documentation for this, as the code around it has it.",
  test: "Write tests for this, where and as this project has its tests.",
} as const;

export class Asking implements vscode.Disposable, vscode.CodeActionProvider {
  private readonly subscriptions: vscode.Disposable[];

  constructor(private readonly chat: Chat) {
    const commands: Record<string, (...given: never[]) => unknown> = {
      fix: (uri?: vscode.Uri, range?: vscode.Range) => this.fix(uri, range),
      explainProblem: (uri?: vscode.Uri, range?: vscode.Range) =>
        this.aboutProblems("Explain this problem and where it comes from. Change nothing yet.", uri, range),
      explain: () => this.aboutSelection(ASKS.explain),
      document: () => this.aboutSelection(ASKS.document),
      test: () => this.aboutSelection(ASKS.test),
      askAboutSelection: () => this.aboutSelection(),
      addToPrompt: (uri?: vscode.Uri, all?: vscode.Uri[]) => this.addToPrompt(uri, all),
      addTerminalSelection: () => this.addTerminalSelection(),
      fixTest: (failure?: unknown) => this.fixTest(failure),
    };
    this.subscriptions = [
      vscode.languages.registerCodeActionsProvider(EVERYWHERE, this, {
        providedCodeActionKinds: [vscode.CodeActionKind.QuickFix, vscode.CodeActionKind.RefactorRewrite],
      }),
      ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(`pillion.${name}`, run)),
    ];
  }

  provideCodeActions(
    document: vscode.TextDocument,
    range: vscode.Range,
    { diagnostics }: vscode.CodeActionContext,
  ): vscode.CodeAction[] {
    const action = (title: string, kind: vscode.CodeActionKind, command: string, ...given: unknown[]) => {
      const offered = new vscode.CodeAction(title, kind);
      offered.command = { title, command: `pillion.${command}`, arguments: given };
      return offered;
    };
    const { QuickFix, RefactorRewrite } = vscode.CodeActionKind;
    const actions: vscode.CodeAction[] = [];
    if (diagnostics.length > 0) {
      const fix = action("Fix with Pillion", QuickFix, "fix", document.uri, range);
      fix.diagnostics = [...diagnostics];
      actions.push(fix, action("Explain with Pillion", QuickFix, "explainProblem", document.uri, range));
    }
    if (!range.isEmpty) {
      actions.push(
        action("Edit with Pillion...", RefactorRewrite, "editHere"),
        action("Document with Pillion", RefactorRewrite, "document"),
        action("Write Tests with Pillion", RefactorRewrite, "test"),
      );
    }
    return actions;
  }

  /** Says this in the chat, which is shown. */
  async say(prompt: ContentBlock[]): Promise<void> {
    await vscode.commands.executeCommand("pillion.chat.focus");
    await this.chat.say(prompt);
  }

  dispose(): void {
    for (const subscription of this.subscriptions) {
      subscription.dispose();
    }
  }

  private async fix(uri: vscode.Uri | undefined, range: vscode.Range | undefined): Promise<void> {
    await this.aboutProblems("Fix this problem at its cause.", uri, range);
  }

  private async aboutProblems(
    text: string,
    named: vscode.Uri | undefined,
    range: vscode.Range | undefined,
  ): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const uri = named ?? editor?.document.uri;
    if (uri === undefined) {
      return;
    }
    const around = range ?? editor?.selection;
    const problems = problemsOf(uri, around);
    if (problems.length === 0) {
      void vscode.window.showInformationMessage("Pillion: there is no problem here.");
      return;
    }
    const document = await vscode.workspace.openTextDocument(uri);
    const lines = problems.map(({ line }) => line - 1);
    const shown = linesOf(document, Math.min(...lines), Math.max(...lines));
    await this.say([shown, { type: "diagnostics", problems }, { type: "text", text }]);
  }

  /** Asks this about the selection, or lets the person write what they want to know. */
  private async aboutSelection(text?: string): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined) {
      return;
    }
    if (text === undefined) {
      await this.chat.insert([selection(editor)]);
    } else {
      await this.say([selection(editor), { type: "text", text }]);
    }
  }

  private async addToPrompt(uri: vscode.Uri | undefined, all: vscode.Uri[] | undefined): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const isHere = editor !== undefined && (uri === undefined || uri.toString() === editor.document.uri.toString());
    if (isHere && !editor.selection.isEmpty) {
      await this.chat.insert([selection(editor)]);
      return;
    }
    const uris = all ?? [uri ?? editor?.document.uri].filter((one) => one !== undefined);
    await this.chat.insert(await Promise.all(uris.map(mention)));
  }

  /** The API has no way to a terminal's selection but the clipboard, which gets back what it held. */
  private async addTerminalSelection(): Promise<void> {
    const before = await vscode.env.clipboard.readText();
    await vscode.env.clipboard.writeText("");
    await vscode.commands.executeCommand("workbench.action.terminal.copySelection");
    const text = await vscode.env.clipboard.readText();
    await vscode.env.clipboard.writeText(before);
    if (text.trim() === "") {
      void vscode.window.showInformationMessage("Pillion: select something in the terminal first.");
      return;
    }
    const name = vscode.window.activeTerminal?.name ?? "terminal";
    await this.chat.insert([{ type: "resource", uri: `terminal:${name}`, text }]);
  }

  private async fixTest(given: unknown): Promise<void> {
    // As VS Code hands over what was chosen in the view of test results.
    const { test, message } = given as { test?: vscode.TestItem; message?: vscode.TestMessage };
    if (message === undefined) {
      return;
    }
    const said = typeof message.message === "string" ? message.message : message.message.value;
    const text = [
      said,
      message.expectedOutput === undefined ? "" : `Expected:\n${message.expectedOutput}`,
      message.actualOutput === undefined ? "" : `Actual:\n${message.actualOutput}`,
    ];
    const name = test?.label ?? "a test";
    const blocks: ContentBlock[] = [{ type: "resource", uri: `test:${name}`, text: text.filter(Boolean).join("\n\n") }];
    const at = message.location ?? (test?.uri && test.range ? { uri: test.uri, range: test.range } : undefined);
    if (at !== undefined) {
      const { start, end } = at.range;
      blocks.push({ type: "range", path: pathOf(at.uri), startLine: start.line + 1, endLine: end.line + 1 });
    }
    await this.say([...blocks, { type: "text", text: `The test "${name}" fails. Find the cause and fix it.` }]);
  }
}

function problemsOf(uri: vscode.Uri, around: vscode.Range | undefined): Problem[] {
  const all = vscode.languages.getDiagnostics(uri);
  const meant = all.filter(({ range }) => around === undefined || range.intersection(around) !== undefined);
  return meant.map(({ range, severity, message, code, source }) => {
    const name = typeof code === "object" ? code.value : code;
    return {
      path: pathOf(uri),
      line: range.start.line + 1,
      severity: SEVERITIES[severity],
      message,
      ...(name === undefined ? {} : { code: String(name) }),
      ...(source === undefined ? {} : { source }),
    };
  });
}

const SEVERITIES: Record<vscode.DiagnosticSeverity, ProblemSeverity> = {
  [vscode.DiagnosticSeverity.Error]: "error",
  [vscode.DiagnosticSeverity.Warning]: "warning",
  [vscode.DiagnosticSeverity.Information]: "information",
  [vscode.DiagnosticSeverity.Hint]: "hint",
};

async function mention(uri: vscode.Uri): Promise<ContentBlock> {
  const isFolder = await vscode.workspace.fs.stat(uri).then(
    ({ type }) => (type & vscode.FileType.Directory) !== 0,
    () => false,
  );
  return { type: isFolder ? "folder" : "file", path: pathOf(uri) };
}

function pathOf(uri: vscode.Uri): string {
  return uri.scheme === "file" ? uri.fsPath : uri.toString();
}
