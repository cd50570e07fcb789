// A notification that can be taken away again, which VS Code allows of progress only: its message carries the answers as
// links.

import * as vscode from "vscode";

export interface Link {
  title: string;
  command: string;
  arguments?: unknown[];
}

/** Shows it, until what is returned is called. */
export function notify(title: string, message: string, links: Link[]): () => void {
  let close = () => {};
  const written = links.map((link) => {
    const given = link.arguments === undefined ? "" : `?${encodeURIComponent(JSON.stringify(link.arguments))}`;
    return `[${link.title}](command:${link.command}${given})`;
  });
  void vscode.window.withProgress({ location: vscode.ProgressLocation.Notification, title }, (progress) => {
    progress.report({ message: `${plain(message)} ${written.join(" | ")}` });
    return new Promise<void>((resolve) => {
      close = resolve;
    });
  });
  return () => close();
}

/** Text in which nothing is taken for a link. */
function plain(text: string): string {
  return text.replaceAll("[", "［").replaceAll("]", "］").replaceAll("\n", " ");
}
