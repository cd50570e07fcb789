// What is set in VS Code, as the server takes it.

import * as vscode from "vscode";

/** Settings of the extension itself; the server would not know them. */
const OWN = ["server", "trace", "followAgent"];

/**
 * What the person set, and nothing of what they left alone: a default of the editor's would go over the files of settings
 * that the server reads.
 */
export function settings(): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration("pillion");
  const set: Record<string, unknown> = {};
  for (const name of Object.keys(configuration).filter((key) => !OWN.includes(key))) {
    const value = chosen(configuration, name);
    if (value !== undefined) {
      set[name] = value;
    }
  }
  return set;
}

function chosen(configuration: vscode.WorkspaceConfiguration, name: string): unknown {
  const found = configuration.inspect(name);
  const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
  if (value !== undefined) {
    // Objects are merged over all places where they are set.
    return isTable(value) ? configuration.get(name) : value;
  }
  // `retry.tries` and its kin are settings of their own here, and one table there.
  const whole = configuration.get(name);
  if (!isTable(whole)) {
    return undefined;
  }
  const parts = Object.keys(whole).flatMap((part) => {
    const inner = chosen(configuration, `${name}.${part}`);
    return inner === undefined ? [] : [[part, inner] as const];
  });
  return parts.length === 0 ? undefined : Object.fromEntries(parts);
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
