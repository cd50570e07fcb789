// The VS Code workbench and its extension host, as a server of its own, with the packaged extension installed.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { LIMIT_MS, wait } from "./check.mjs";

/** An extension that is not ours; see its main.js. */
const BYSTANDER = new URL("../bystander", import.meta.url).pathname;

const SETTINGS = {
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "workbench.reduceMotion": "on",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.enableExperiments": false,
  "workbench.tips.enabled": false,
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "chat.disableAIFeatures": true,
  "window.dialogStyle": "custom",
  "window.menuBarVisibility": "compact",
  "editor.fontSize": 13,
  "files.autoSave": "off",
  "git.openRepositoryInParentFolders": "never",
  "terminal.integrated.shellIntegration.enabled": false,
};

export class Workbench {
  /** `tools` has the programs, `folder` is for everything that they write. */
  static async start({ tools, folder, vsix, binary, model }) {
    const home = `${folder}/home`;
    const paths = { user: `${folder}/user`, server: `${folder}/server`, extensions: `${folder}/extensions` };
    mkdirSync(`${home}/.config/pillion`, { recursive: true });
    mkdirSync(`${paths.user}/User`, { recursive: true });
    mkdirSync(`${paths.user}/Machine`, { recursive: true });
    const config = `model = "anthropic/fake"
[retry]
first_wait = 0.1
[providers.anthropic]
base_url = "${model.url}"
api_key = "not-a-key"
[providers.second]
kind = "openai"
base_url = "${model.url}/v1"
api_key = "not-a-key"
`;
    writeFileSync(`${home}/.config/pillion/config.toml`, config, { mode: 0o600 });
    writeFileSync(`${paths.user}/User/settings.json`, JSON.stringify(SETTINGS));
    const bench = new Workbench(home, `${paths.user}/Machine/settings.json`);
    // The extension host gets a PATH of its own, so the program is named.
    bench.usesServer(binary);
    const main = `${tools}/node_modules/code-server/lib/vscode/out/server-main.js`;
    const places = [
      ["--user-data-dir", paths.user],
      ["--extensions-dir", paths.extensions],
      ["--server-data-dir", paths.server],
      ["--telemetry-level", "off"],
    ].flat();
    const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: `${home}/.config`, XDG_STATE_HOME: `${home}/.state` };
    const logged = `${folder}/workbench.log`;
    const log = openSync(logged, "a");
    const bystander = `${folder}/bystander.vsix`;
    execFileSync("python3", ["-m", "zipfile", "-c", bystander, "extension.vsixmanifest", "extension"], {
      cwd: BYSTANDER,
    });
    const installing = [vsix, bystander].flatMap((file) => ["--install-extension", file]);
    execFileSync(process.execPath, [main, "--accept-server-license-terms", ...places, ...installing], {
      env,
      stdio: ["ignore", log, log],
    });
    const listen = ["--host", "127.0.0.1", "--port", "0", "--without-connection-token"];
    bench.process = spawn(process.execPath, [main, "--accept-server-license-terms", ...places, ...listen], {
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    // Whoever ends the suite ends this, too.
    process.once("exit", () => bench.isRunning && bench.kill());
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.once(signal, () => process.exit(1));
    }
    const listening = () => /listening on (\d+)/.exec(readFileSync(logged, "utf8"));
    const [, port] = await wait("the workbench's server listens", listening, 4 * LIMIT_MS);
    bench.url = `http://127.0.0.1:${port}`;
    return bench;
  }

  constructor(home, machineSettings) {
    this.home = home;
    this.machineSettings = machineSettings;
  }

  /** Names the program in the settings of this machine; a server that is started from some moment on is that one. */
  usesServer(path) {
    writeFileSync(this.machineSettings, JSON.stringify({ "pillion.server.path": path }));
  }

  async stop() {
    if (this.isRunning) {
      const ended = once(this.process, "exit");
      this.kill();
      await ended;
    }
  }

  get isRunning() {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  kill() {
    process.kill(-this.process.pid, "SIGKILL");
  }
}

/** What the killed left behind may still be ending, and writing. */
export function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
