// The server: where it is, how it is started, and its own requests with their types.

import { existsSync } from "node:fs";
import { basename, delimiter, join } from "node:path";
import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type ClientCapabilities as LspCapabilities,
  type ServerCapabilities,
  type ServerOptions,
  State,
  type StaticFeature,
} from "vscode-languageclient/node";
import { messageOf } from "./errors";
import type { Trouble } from "./messages";
import { type ClientCapabilities, type ClientRequests, type Notifications, type Requests, VERSION } from "./protocol";
import { settings } from "./settings";

/** Crashes within `CRASH_WINDOW_MS` after which the server is left alone. */
const CRASHES = 5;
const CRASH_WINDOW_MS = 3 * 60_000;
/** A server that takes longer than this to end is killed. VS Code itself gives its extensions five seconds. */
const STOP_MS = 4000;

export const PROGRAM = process.platform === "win32" ? "pillion.exe" : "pillion";

export interface Found {
  path: string;
  /** Where it was found, for people. */
  from: "settings" | "extension" | "PATH";
}

/** The `pillion` program: what the settings name, else what came with the extension, else what is on the `PATH`. */
export function findServer(extensionPath: string): Found | undefined {
  const named = vscode.workspace.getConfiguration("pillion").get<string>("server.path", "").trim();
  if (named !== "") {
    return { path: (basename(named) === named ? onPath(named) : undefined) ?? named, from: "settings" };
  }
  const bundled = join(extensionPath, "bin", PROGRAM);
  if (existsSync(bundled)) {
    return { path: bundled, from: "extension" };
  }
  const path = onPath(PROGRAM);
  return path === undefined ? undefined : { path, from: "PATH" };
}

function onPath(program: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
}

/** A running server. One object for the life of the window; the process behind it may be started anew. */
export class Server implements vscode.Disposable {
  readonly log = vscode.window.createOutputChannel("Pillion", { log: true });
  /** Every message between the extension and the server, while `pillion.trace.server` asks for it. */
  private readonly trace = vscode.window.createOutputChannel("Pillion Trace", { log: true });
  private readonly stateChanged = new vscode.EventEmitter<boolean>();
  /** True when it is ready, false when it is gone. After a crash it is ready again with nothing of before. */
  readonly onState = this.stateChanged.event;
  private client: LanguageClient | undefined;
  private starting: Promise<void> | undefined;
  private starts = 0;
  private crashes: number[] = [];
  /** Why it does not run, if it is not just being started. */
  trouble: Trouble | undefined;
  private readonly listeners = new Map<string, ((params: unknown) => void)[]>();
  private readonly handlers: ((client: LanguageClient) => vscode.Disposable)[] = [];

  constructor(private readonly context: vscode.ExtensionContext) {}

  get isRunning(): boolean {
    return this.client?.state === State.Running;
  }

  /** What `initialize` told of the server. */
  get version(): string | undefined {
    return this.client?.initializeResult?.serverInfo?.version;
  }

  /**
   * Starts it with what `environment` gives beside the editor's own, in the place of the one that there is. What is asked
   * meanwhile waits.
   */
  start(environment: () => Promise<Record<string, string>>): Promise<void> {
    this.trouble = undefined;
    // What runs or is being started is given up at once: it may be a program that never answers.
    const stopped = this.stop();
    const before = this.starting;
    this.starts += 1;
    const mine = this.starts;
    // Of several that are asked for meanwhile, only the last is.
    const isLast = () => mine === this.starts;
    const start = async () => {
      await stopped;
      await before;
      if (isLast()) {
        await this.begin(environment, isLast).catch((error: unknown) => {
          this.fail({ message: `Pillion's server could not be started: ${messageOf(error)}`, remedy: "doctor" });
        });
      }
    };
    this.starting = start();
    return this.starting;
  }

  private fail(trouble: Trouble): void {
    this.trouble ??= trouble;
    this.log.error(this.trouble.message);
    this.stateChanged.fire(false);
  }

  private async begin(environment: () => Promise<Record<string, string>>, isLast: () => boolean): Promise<void> {
    const found = findServer(this.context.extensionPath);
    if (found === undefined || !existsSync(found.path)) {
      const where = found === undefined ? "not found" : `not at ${found.path}`;
      const message = `The program pillion is ${where}. Install it, or say where it is.`;
      this.fail({ message, remedy: "setServerPath" });
      return;
    }
    const own = await environment();
    if (!isLast()) {
      return;
    }
    this.log.info(`server: ${found.path} (from ${found.from})`);
    const configuration = vscode.workspace.getConfiguration("pillion");
    const run = {
      command: found.path,
      args: ["lsp", ...configuration.get<string[]>("server.arguments", [])],
      options: { env: { ...process.env, ...own } },
    };
    const client: LanguageClient = new LanguageClient(
      "pillion",
      "Pillion",
      { run, debug: run } satisfies ServerOptions,
      {
        documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
        outputChannel: this.log,
        traceOutputChannel: this.trace,
        initializationOptions: { pillion: settings() },
        middleware: {
          // Left alone, it would send the defaults of the editor's settings too.
          workspace: {
            configuration: ({ items }) => items.map(({ section }) => (section === "pillion" ? settings() : null)),
            didChangeConfiguration: async () => {
              await client.sendNotification("workspace/didChangeConfiguration", { settings: { pillion: settings() } });
            },
          },
        },
        connectionOptions: { maxRestartCount: CRASHES },
        errorHandler: {
          error: () => ({ action: ErrorAction.Continue }),
          closed: () => (client === this.client ? this.closed() : { action: CloseAction.DoNotRestart, handled: true }),
        },
      },
    );
    client.registerFeature(
      capabilities({
        approvalRequest: true,
        editorContext: true,
        editorDiagnostics: true,
        editorSave: true,
        questionRequest: true,
        sessionEvent: true,
      }),
    );
    client.registerFeature(quiet());
    client.onDidChangeState(({ newState }) => {
      // What becomes of one that was given up says nothing of the one after it.
      if (client !== this.client) {
        return;
      }
      if (newState === State.Running) {
        this.stateChanged.fire(true);
      } else if (newState === State.Stopped) {
        this.stateChanged.fire(false);
      } else if (newState === State.StartFailed) {
        this.fail({ message: "Pillion's server could not be started.", remedy: "doctor" });
      }
    });
    for (const register of this.handlers) {
      register(client);
    }
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      if (client === this.client) {
        throw error;
      }
    }
    if (client === this.client) {
      void this.compare();
    } else {
      // It was given up before there was a process that could be ended.
      await this.end(client);
    }
  }

  /** Waits until it has started, or could not. */
  async settled(): Promise<void> {
    for (let seen: Promise<void> | undefined; seen !== this.starting; ) {
      seen = this.starting;
      await seen;
    }
  }

  /** Waits until it runs, also again after a crash; false if it does not. */
  async ready(): Promise<boolean> {
    await this.settled();
    if (this.client?.state === State.Starting) {
      await this.client.start().catch(() => undefined);
    }
    return this.isRunning;
  }

  async stop(): Promise<void> {
    const { client, isRunning } = this;
    this.client = undefined;
    if (isRunning) {
      this.stateChanged.fire(false);
    }
    await this.end(client);
  }

  private async end(client: LanguageClient | undefined): Promise<void> {
    try {
      await client?.dispose(STOP_MS);
    } catch (error) {
      // Nothing runs any more: it never started, or it did not end by itself and was made to.
      this.log.debug(messageOf(error));
    }
  }

  async request<M extends keyof Requests>(method: M, params: Requests[M]["params"]): Promise<Requests[M]["result"]> {
    await this.settled();
    if (this.client === undefined) {
      throw new Error(
        this.trouble?.message ?? "Pillion's server does not run. Start it with the command Pillion: Restart Server.",
      );
    }
    return this.client.sendRequest<Requests[M]["result"]>(method, params);
  }

  /** Shows the messages, which are written once the channel's level is `Trace`. */
  async showTrace(): Promise<void> {
    this.trace.show();
    if (this.trace.logLevel !== vscode.LogLevel.Trace) {
      const choice = await vscode.window.showInformationMessage(
        "Pillion: messages are written from when the level of the channel Pillion Trace is Trace.",
        "Choose the Level",
      );
      if (choice !== undefined) {
        await vscode.commands.executeCommand("workbench.action.setLogLevel");
      }
    }
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
    const known = this.listeners.get(method);
    if (known !== undefined) {
      known.push(handler as (params: unknown) => void);
      return;
    }
    // A client has one handler for each method.
    const all = [handler as (params: unknown) => void];
    this.listeners.set(method, all);
    this.handlers.push((client) =>
      client.onNotification(method, (params: unknown) => {
        for (const listener of all) {
          listener(params);
        }
      }),
    );
  }

  dispose(): void {
    void this.stop();
    this.log.dispose();
    this.trace.dispose();
    this.stateChanged.dispose();
  }

  /** What the extension and the server each speak, if it is not the same. */
  get mismatch(): string | undefined {
    const ours = String((this.context.extension.packageJSON as Record<string, unknown>)["version"]);
    const spoken = (this.client?.initializeResult?.capabilities.experimental as Experimental)?.pillion?.protocolVersion;
    if (spoken !== undefined && spoken !== VERSION) {
      const older = spoken < VERSION ? "server" : "extension";
      return `The extension speaks version ${VERSION} of the protocol, the server ${spoken}. Update the ${older}.`;
    }
    if (this.isRunning && this.version !== ours) {
      return `The extension is version ${ours}, the server ${this.version ?? "unknown"}. Update the older one.`;
    }
    return undefined;
  }

  private async compare(): Promise<void> {
    const { mismatch } = this;
    if (mismatch === undefined) {
      return;
    }
    this.log.warn(mismatch);
    if ((await vscode.window.showWarningMessage(`Pillion: ${mismatch}`, "Doctor")) === "Doctor") {
      await vscode.commands.executeCommand("pillion.doctor");
    }
  }

  private closed(): { action: CloseAction; message?: string; handled?: boolean } {
    const now = Date.now();
    this.crashes = [...this.crashes.filter((at) => now - at < CRASH_WINDOW_MS), now];
    if (this.crashes.length < CRASHES) {
      this.log.warn("the server ended unexpectedly and is started anew");
      return { action: CloseAction.Restart, handled: true };
    }
    const message = `Pillion's server ended ${CRASHES} times within three minutes and is not started again.`;
    this.trouble = { message, remedy: "doctor" };
    return { action: CloseAction.DoNotRestart, handled: true };
  }
}

type Experimental = { pillion?: { protocolVersion?: number } } | undefined;

/**
 * Keeps the client from offering what the server has for editors without a plugin: this extension has its own commands
 * and code actions, with the chat behind them.
 */
function quiet(): StaticFeature {
  return {
    preInitialize(capabilities: ServerCapabilities): void {
      delete capabilities.executeCommandProvider;
      delete capabilities.codeActionProvider;
      delete capabilities.codeLensProvider;
      delete capabilities.hoverProvider;
    },
    fillClientCapabilities(): void {},
    initialize(): void {},
    getState: () => ({ kind: "static" }),
    clear(): void {},
  };
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
