// node client.mjs AGENT...    a client made of the protocol's TypeScript SDK, which checks all that comes in. It edits a
// file that is not saved, lets a turn be cancelled, and prints what it saw as JSON.
import { spawn } from "node:child_process";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";

const modules = process.env.ACP_MODULES;
const acp = await import(pathToFileURL(path.join(modules, "@agentclientprotocol/sdk/dist/v1/stable/acp.js")));
const folder = process.env.PROJECT;
const file = path.join(folder, "a.txt");
const buffers = new Map([[file, "original\nnot saved\n"]]);
const seen = { updates: [], asked: [], stops: [] };
const agent = spawn(process.argv[2], process.argv.slice(3), { stdio: ["pipe", "pipe", "inherit"] });

const client = acp
  .client({ name: "test" })
  .onRequest(acp.methods.client.fs.readTextFile, ({ params }) => {
    if (!buffers.has(params.path)) throw new Error("not open");
    return { content: buffers.get(params.path) };
  })
  .onRequest(acp.methods.client.fs.writeTextFile, ({ params }) => {
    buffers.set(params.path, params.content);
    return {};
  })
  .onRequest(acp.methods.client.session.requestPermission, ({ params }) => {
    seen.asked.push(params.toolCall.title);
    const allow = params.options.find((option) => option.kind === "allow_once");
    return { outcome: { outcome: "selected", optionId: allow.optionId } };
  });

await client.connectWith(acp.ndJsonStream(Writable.toWeb(agent.stdin), Readable.toWeb(agent.stdout)), async (peer) => {
  const clientCapabilities = { fs: { readTextFile: true, writeTextFile: true }, terminal: false };
  const protocolVersion = acp.PROTOCOL_VERSION;
  const info = await peer.request("initialize", { protocolVersion, clientCapabilities });
  seen.agent = info.agentInfo.name;
  const session = await peer.buildSession(folder).start();
  session.prompt("hello");
  for (;;) {
    const message = await session.nextUpdate();
    if (message.kind === "stop") {
      seen.stops.push(message.stopReason);
      break;
    }
    seen.updates.push(message.update.sessionUpdate);
  }
  const slow = session.prompt("SLOW");
  for (;;) {
    const message = await session.nextUpdate();
    if (message.update?.sessionUpdate === "agent_message_chunk") break;
  }
  await peer.notify("session/cancel", { sessionId: session.sessionId });
  seen.stops.push((await slow).stopReason);
});
seen.buffer = buffers.get(file);
console.log(JSON.stringify(seen));
agent.stdin.end();
