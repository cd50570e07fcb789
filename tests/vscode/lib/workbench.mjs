// The VS Code workbench and its extension host, as a server of its own, with the packaged extension installed.

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { wait } from "./check.mjs";

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
    const log = openSync(`${folder}/workbench.log`, "a");
    execFileSync(process.execPath, [main, "--accept-server-license-terms", ...places, "--install-extension", vsix], {
      env,
      stdio: ["ignore", log, log],
    });
    const port = await freePort();
    const listen = ["--host", "127.0.0.1", "--port", String(port), "--without-connection-token"];
    bench.process = spawn(process.execPath, [main, "--accept-server-license-terms", ...places, ...listen], {
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    bench.url = `http://127.0.0.1:${port}`;
    await wait("the workbench's server listens", () =>
      fetch(`${bench.url}/version`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    return bench;
  }

  constructor(home) {
    this.home = home;
  }

  stop() {
    try {
      process.kill(-this.process.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function remove(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
