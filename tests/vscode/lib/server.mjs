// The server behind the extension, as a process.

import { execFileSync } from "node:child_process";
import { wait } from "./check.mjs";

/** The processes of this workbench, and of none beside it on this machine, whose command line begins so. */
export function processesOf(bench, begins) {
  const rows = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const all = rows.map((row) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(row)).filter((found) => found !== null);
  const parents = new Map(all.map(([, pid, parent]) => [Number(pid), Number(parent)]));
  const isOurs = (pid) => pid === bench.process.pid || (parents.has(pid) && isOurs(parents.get(pid)));
  return all.filter(([, pid, , args]) => args.startsWith(begins) && isOurs(Number(pid))).map(([, pid]) => Number(pid));
}

/** The server that was started last. */
export function serverOf(bench, binary) {
  return processesOf(bench, `${binary} lsp`).at(-1);
}

/** Kills the server, and waits for the one after it. */
export async function crash(bench, binary) {
  const pid = await wait("the server runs", () => serverOf(bench, binary));
  process.kill(pid, "SIGKILL");
  await wait("another server runs", () => ![undefined, pid].includes(serverOf(bench, binary)));
}
