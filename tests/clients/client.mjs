// A whole turn over WebSocket, approvals included: node client.mjs URL TOKEN PROMPT. Node 22, a browser or Deno have
// WebSocket built in; node 20 wants --experimental-websocket. None of them can set headers, so the token goes where
// browsers can put it.
const [url, token, prompt] = process.argv.slice(2);
const socket = new WebSocket(url.replace("http", "ws"), ["pillion", `bearer.${token}`]);
const waiting = new Map();
let last = 0;

function call(method, params = {}) {
  socket.send(JSON.stringify({ jsonrpc: "2.0", id: ++last, method, params }));
  return new Promise((resolve, reject) => waiting.set(last, { resolve, reject }));
}

function onEvent(event) {
  if (event.type === "messageDelta") process.stdout.write(event.text);
  if (event.type === "approvalRequested") {
    process.stdout.write(`[${event.approval.title}: allowed] `);
    call("approval/respond", { approvalId: event.approval.approvalId, decision: { type: "allow" } });
  }
  if (event.type === "turnEnded") {
    console.log(`\n${event.stopReason}`);
    socket.close();
  }
}

socket.onmessage = ({ data }) => {
  const { id, result, error, params } = JSON.parse(data);
  if (id === undefined) onEvent(params.result.event);
  else if (error) waiting.get(id).reject(new Error(error.message));
  else waiting.get(id).resolve(result);
};
socket.onerror = () => process.exit(1);
await new Promise((resolve) => (socket.onopen = resolve));
const { sessionId } = await call("session/new");
await call("session/events", { sessionId, fromSeq: 1 });
await call("turn/start", { sessionId, prompt: [{ type: "text", text: prompt }] });
