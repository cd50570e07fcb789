// The server: where it is, how it is started, and its own requests with their types.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type ClientCapabilities as LspCapabilities,
  type ServerOptions,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";
import type { ClientCapabilities, ClientRequests, Notifications, Requests } from "./protocol";

/** Crashes within `CRASH_WINDOW_MS` after which the server is left alone. */
const CRASHES = 5;
const CRASH_WINDOW_MS = 3 * 60_000;

const PROGRAM = process.platform === "win32" ? "pillion.exe" : "pillion";

export interface Found {
  path: string;
  /** Where it was found, for people. */
  from: "settings" | "extension" | "PATH";
}

/** The `pillion` program: what the settings name, else what came with the extension, else what is on the `PATH`. */
export function findServer(extensionPath: string): Found | undefined {
  const named = vscode.workspace.getConfiguration("pillion").get<string>("server.path", "").trim();
  if (named !== "") {
    return { path: named, from: "settings" };
  }
  const bundled = join(extensionPath, "bin", PROGRAM);
  if (existsSync(bundled)) {
    return { path: bundled, from: "extension" };
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, PROGRAM);
    if (folder !== "" && existsSync(path)) {
      return { path, from: "PATH" };
    }
  }
  return undefined;
}

/** A running server. One object for the life of the window; the process behind it may be started anew. */
export class Server implements vscode.Disposable {
  readonly log = vscode.window.createOutputChannel("Pillion", { log: true });
  private readonly stateChanged = new vscode.EventEmitter<boolean>();
  /** True when it is ready, false when it is gone. After a crash it is ready again with nothing of before. */
  readonly onState = this.stateChanged.event;
  private client: LanguageClient | undefined;
  private crashes: number[] = [];
  private readonly handlers: ((client: LanguageClient) => vscode.Disposable)[] = [];

  constructor(private readonly context: vscode.ExtensionContext) {}

  get isRunning(): boolean {
    return this.client?.state === State.Running;
  }

  /** What `initialize` told of the server. */
  get version(): string | undefined {
    return this.client?.initializeResult?.serverInfo?.version;
  }

  async start(environment: Record<string, string>): Promise<void> {
    const found = findServer(this.context.extensionPath);
    if (found === undefined) {
      throw new Error("The pillion program was not found. Install it, or set pillion.server.path to where it is.");
    }
    this.log.info(`server: ${found.path} (from ${found.from})`);
    const configuration = vscode.workspace.getConfiguration("pillion");
    const run = {
      command: found.path,
      args: ["lsp", ...configuration.get<string[]>("server.arguments", [])],
      options: { env: { ...process.env, ...environment } },
    };
    const client = new LanguageClient("pillion", "Pillion", { run, debug: run } satisfies ServerOptions, {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
      outputChannel: this.log,
      initializationOptions: { pillion: configuration },
      synchronize: { configurationSection: "pillion" },
      connectionOptions: { maxRestartCount: CRASHES },
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue }),
        closed: () => this.closed(),
      },
    });
    client.registerFeature(capabilities({ approvalRequest: true, editorSave: true, sessionEvent: true }));
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) {
        this.stateChanged.fire(true);
      } else if (newState === State.Stopped) {
        this.stateChanged.fire(false);
      }
    });
    for (const register of this.handlers) {
      register(client);
    }
    this.client = client;
    await client.start();
  }

  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client !== undefined && client.state !== State.Stopped) {
      await client.stop(5000);
    }
    await client?.dispose();
  }

  async request<M extends keyof Requests>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    if (this.client === undefined) {
      throw new Error("Pillion's server does not run. Start it with the command Pillion: Restart Server.");
    }
    return this.client.sendRequest<Requests[M]["result"]>(method, params);
  }

  /** Answers a request of the server, of this process and of those that follow it. */
  answer<M extends keyof ClientRequests>(
    method: M,
    handler: (
      params: ClientRequests[M]["params"],
      token: vscode.CancellationToken,
    ) => Promise<ClientRequests[M]["result"]>,
  ): void {
    this.handlers.push((client) =>
      client.onRequest(method, handler as (params: unknown, token: vscode.CancellationToken) => Promise<unknown>),
    );
  }

  hear<M extends keyof Notifications>(method: M, handler: (params: Notifications[M]["params"]) => void): void {
    this.handlers.push((client) => client.onNotification(method, handler));
  }

  dispose(): void {
    void this.stop();
    this.log.dispose();
    this.stateChanged.dispose();
  }

  private closed(): { action: CloseAction; message?: string; handled?: boolean } {
    const now = Date.now();
    this.crashes = [...this.crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
    if (this.crashes.length < CRASHES) {
      this.log.warn("the server ended unexpectedly and is started anew");
      return { action: CloseAction.Restart, handled: true };
    }
    const message = `Pillion's server ended ${CRASHES} times within three minutes and is not started again. See the log.`;
    return { action: CloseAction.DoNotRestart, message };
  }
}

function capabilities(pillion: ClientCapabilities): StaticFeature {
  return {
    fillClientCapabilities(capabilities: LspCapabilities): void {
      const experimental: unknown = capabilities.experimental;
      capabilities.experimental = { ...(experimental as object | undefined), pillion };
    },
    initialize(): void {},
    getState: () => ({ kind: "static" }),
    clear(): void {},
  };
}
