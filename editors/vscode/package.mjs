// Makes pillion.vsix. With PILLION_SERVER, that program comes along, for the platform that this runs on.

import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, rmSync } from "node:fs";

rmSync("bin", { recursive: true, force: true });
const target = [];
const server = process.env.PILLION_SERVER;
if (server !== undefined && server !== "") {
  const program = process.platform === "win32" ? "bin/pillion.exe" : "bin/pillion";
  mkdirSync("bin");
  copyFileSync(server, program);
  chmodSync(program, 0o755);
  target.push("--target", `${process.platform}-${process.arch}`);
}
copyFileSync("../../LICENSE", "LICENSE");
const vsce = "node_modules/@vscode/vsce/vsce";
const options = ["package", "--no-dependencies", "--allow-missing-repository", "--out", "pillion.vsix", ...target];
execFileSync(process.execPath, [vsce, ...options], { stdio: "inherit" });
