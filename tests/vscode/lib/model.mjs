// A model that says what a case tells it to, as a process; see tests/model_server.py.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

export class Model {
  static async start(folder) {
    const scenario = `${folder}/scenario.json`;
    writeFileSync(scenario, JSON.stringify({ steps: [] }));
    const script = new URL("../../model_server.py", import.meta.url).pathname;
    const child = spawn("python3", [script, scenario], { stdio: ["ignore", "pipe", "inherit"] });
    const [port] = await once(createInterface({ input: child.stdout }), "line");
    return new Model(child, `http://127.0.0.1:${port}`);
  }

  constructor(child, url) {
    this.child = child;
    this.url = url;
  }

  /** From here on it plays these steps. */
  async play(steps) {
    await this.post("__scenario", { steps });
    this.since = (await this.requests()).length;
  }

  release(gate) {
    return this.post("__release", { gate });
  }

  /** Whether it was sent this text since `play`, as it stands in JSON. */
  async wasSent(text) {
    return (await this.requests()).slice(this.since).some((request) => JSON.stringify(request).includes(text));
  }

  async requests() {
    return (await fetch(`${this.url}/__log`)).json();
  }

  async post(path, body) {
    const answer = await fetch(`${this.url}/${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!answer.ok) {
      throw new Error(`the model server: ${await answer.text()}`);
    }
  }

  stop() {
    this.child.kill("SIGKILL");
  }
}

export const read = (path) => ({ tool: "read", input: { path } });
export const edit = (path, ...changes) => ({
  tool: "edit",
  input: { path, edits: changes.map(([old_string, new_string]) => ({ old_string, new_string })) },
});
export const write = (path, content) => ({ tool: "write", input: { path, content } });
export const bash = (command) => ({ tool: "bash", input: { command } });
export const text = (words, more = {}) => ({ text: words, ...more });

/** The model's rounds in one turn: the first answers the prompt, the next its tool results, and so on. */
export function turn(prompt, ...rounds) {
  let results = 0;
  return rounds.map((say) => {
    const step = { prompt, results, say };
    results += say.filter(({ tool }) => tool !== undefined).length;
    return step;
  });
}
