// The VS Code workbench and its extension host, as a server of its own, with the packaged extension installed.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { LIMIT_MS, wait } from "./check.mjs";

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
`;
    writeFileSync(`${home}/.config/pillion/config.toml`, config, { mode: 0o600 });
    // The extension host gets a PATH of its own, so the program is named.
    const machine = JSON.stringify({ "pillion.server.path": binary });
    writeFileSync(`${paths.user}/Machine/settings.json`, machine);
    writeFileSync(`${paths.user}/User/settings.json`, JSON.stringify(SETTINGS));
    const bench = new Workbench(home);
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
    execFileSync(process.execPath, [main, "--accept-server-license-terms", ...places, "--install-extension", vsix], {
      env,
      stdio: ["ignore", log, log],
    });
    const listen = ["--host", "127.0.0.1", "--port", "0", "--without-connection-token"];
    bench.process = spawn(process.execPath, [main, "--accept-server-license-terms", ...places, ...listen], {
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    const listening = () => /listening on (\d+)/.exec(readFileSync(logged, "utf8"));
    const [, port] = await wait("the workbench's server listens", listening, 4 * LIMIT_MS);
    bench.url = `http://127.0.0.1:${port}`;
    return bench;
  }

  constructor(home) {
    this.home = home;
  }

  async stop() {
    if (this.process.exitCode === null) {
      const ended = once(this.process, "exit");
      process.kill(-this.process.pid, "SIGKILL");
      await ended;
    }
  }
}

/** What the killed left behind may still be ending, and writing. */
export function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
}
