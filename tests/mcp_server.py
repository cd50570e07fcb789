"""A small MCP server for the tests: standard library only, over stdio, or over streamable HTTP with --http.

It does as its tools are told: `hang`, `crash`, `garble` and so on. Each line of --log FILE is something that happened.
"""

import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import time

OPTIONS = sys.argv[1:]
LOG = OPTIONS[OPTIONS.index("--log") + 1] if "--log" in OPTIONS else None
EXTRA = []
STATE = {"greeting": "hello"}


def log(text):
    if LOG:
        with open(LOG, "a", encoding="utf-8") as file:
            file.write(text + "\n")


def schema(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


STRING = {"type": "string"}
TOOLS = [
    {"name": "echo", "description": "Says it again.", "inputSchema": schema(["text"], text=STRING, times={"type": "integer"})},
    {"name": "odd.name here", "description": "Has an odd name.", "inputSchema": schema()},
    {"name": "hang", "description": "Never answers.", "inputSchema": schema(), "annotations": {"readOnlyHint": True}},
    {"name": "crash", "description": "Ends the server.", "inputSchema": schema()},
    {"name": "garble", "description": "Answers oddly.", "inputSchema": schema(how=STRING)},
    {"name": "huge", "description": "Says much.", "inputSchema": schema(bytes={"type": "integer"})},
    {"name": "grow", "description": "Adds a tool.", "inputSchema": schema(["name"], name=STRING)},
    {"name": "shrink", "description": "Takes a tool away.", "inputSchema": schema(["name"], name=STRING)},
    {"name": "slow", "description": "Says how far it is.", "inputSchema": schema()},
    {"name": "ask", "description": "Asks the person.", "inputSchema": schema()},
    {"name": "ask_and_leave", "description": "Asks, and waits for a file.", "inputSchema": schema(["until"], until=STRING)},
    {"name": "sample", "description": "Asks the model.", "inputSchema": schema()},
    {"name": "roots", "description": "Says the roots.", "inputSchema": schema()},
    {"name": "environment", "description": "Says a variable.", "inputSchema": schema(["name"], name=STRING)},
    {"name": "fail", "description": "Fails.", "inputSchema": schema()},
    {"name": "kinds", "description": "Answers with all kinds of content.", "inputSchema": schema()},
    {"name": "structured", "description": "Answers with structure only.", "inputSchema": schema()},
    {"name": "child", "description": "Starts a process that stays.", "inputSchema": schema(["mark"], mark=STRING)},
]


class Server:
    """One client's end. `send` puts a message on the wire."""

    def __init__(self, send):
        self.send = send
        self.waiting = {}
        self.asked = 0

    def ask(self, method, params):
        self.asked += 1
        number = f"s{self.asked}"
        answer = self.waiting[number] = queue.Queue()
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return answer.get()

    def tell(self, method, params=None):
        self.send({"jsonrpc": "2.0", "method": method, "params": params or {}})

    def take(self, message):
        if "method" not in message:
            waiting = self.waiting.pop(str(message.get("id")), None)
            if waiting:
                waiting.put(message.get("result") or message.get("error"))
        elif "id" not in message:
            log(message["method"])
        else:
            threading.Thread(target=self.answer, args=(message,), daemon=True).start()

    def answer(self, message):
        params = message.get("params") or {}
        handler = getattr(self, message["method"].replace("/", "_"), None)
        if handler is None:
            error = {"code": -32601, "message": "no such method"}
            return self.send({"jsonrpc": "2.0", "id": message["id"], "error": error})
        result = handler(params, message["id"])
        if result is not None:
            self.send({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def initialize(self, params, _):
        log("initialize " + json.dumps(params["capabilities"], sort_keys=True))
        if "--slow-start" in OPTIONS:
            time.sleep(float(OPTIONS[OPTIONS.index("--slow-start") + 1]))
        capabilities = {"tools": {"listChanged": True}, "prompts": {}, "resources": {}}
        info = {"name": "tests", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": capabilities, "serverInfo": info}

    def ping(self, _params, _):
        return {}

    def tools_list(self, params, _):
        # Two pages, as large servers have them.
        tools = TOOLS + EXTRA
        if "--many" in OPTIONS:
            tools = [{"name": f"tool_{number}", "inputSchema": {}} for number in range(150)]
        if "--sloppy" in OPTIONS:
            properties = {"filter[id]": {"type": "array"}}
            sloppy = {"type": "object", "properties": properties, "required": ["filter[id]"], "oneOf": []}
            tools = [{"name": "sloppy", "inputSchema": sloppy}]
        if params.get("cursor") == "2":
            return {"tools": tools[3:]}
        return {"tools": tools[:3], "nextCursor": "2"}

    def prompts_list(self, _params, _):
        argument = {"name": "what", "description": "What to review", "required": True}
        return {"prompts": [{"name": "review", "description": "Reviews it", "arguments": [argument]}]}

    def prompts_get(self, params, _):
        text = "Review " + params["arguments"]["what"]
        return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}

    def resources_list(self, _params, _):
        return {"resources": [{"uri": "test://notes", "name": "notes", "description": "All notes"}]}

    def resources_templates_list(self, _params, _):
        return {"resourceTemplates": [{"uriTemplate": "test://note/{id}", "name": "note"}]}

    def resources_read(self, params, _):
        return {"contents": [{"uri": params["uri"], "mimeType": "text/plain", "text": "noted: " + params["uri"]}]}

    def tools_call(self, params, number):
        name, given = params["name"], params.get("arguments") or {}
        log("call " + name)
        tool = getattr(self, "do_" + name.replace(".", "_").replace(" ", "_"), None)
        result = tool(given, params, number) if tool else "one more"
        if isinstance(result, str):
            return {"content": [{"type": "text", "text": result}]}
        return result

    def do_sloppy(self, given, _params, _number):
        return json.dumps(given)

    def do_echo(self, given, _params, _number):
        return " ".join([given["text"]] * given.get("times", 1))

    def do_odd_name_here(self, _given, _params, _number):
        return "odd"

    def do_hang(self, _given, _params, _number):
        return None

    def do_crash(self, _given, _params, _number):
        print("the last words", file=sys.stderr, flush=True)
        os._exit(3)

    def do_garble(self, given, _params, number):
        answer = {"jsonrpc": "2.0", "result": {"content": [{"type": "text", "text": "right"}]}}
        if given["how"] == "noise":
            self.send("this is no JSON")
            self.send("{\"jsonrpc\": \"2.0\", \"half\": ")
            self.send([1, 2, 3])
            self.send({})
        if given["how"] == "wrong id":
            self.send({**answer, "id": 999999})
            self.send({**answer, "id": None})
        if given["how"] == "twice":
            self.send({**answer, "id": number})
            self.send({"jsonrpc": "2.0", "id": number, "result": {"content": [{"type": "text", "text": "wrong"}]}})
            return None
        if given["how"] == "no result":
            self.send({"jsonrpc": "2.0", "id": number})
            return None
        if given["how"] == "strange result":
            return {"strange": True}
        return answer["result"]

    def do_huge(self, given, _params, _number):
        return "é" * (given["bytes"] // 2)

    def do_grow(self, given, _params, _number):
        EXTRA.append({"name": given["name"], "description": "New.", "inputSchema": {"type": "object"}})
        self.tell("notifications/tools/list_changed")
        return "grown"

    def do_shrink(self, given, _params, _number):
        TOOLS[:] = [tool for tool in TOOLS if tool["name"] != given["name"]]
        self.tell("notifications/tools/list_changed")
        return "shrunk"

    def do_slow(self, _given, params, _number):
        token = params["_meta"]["progressToken"]
        for step in (1, 2):
            progress = {"progressToken": token, "progress": step, "total": 2, "message": f"step {step}"}
            self.tell("notifications/progress", progress)
        return "at last"

    def do_ask(self, _given, _params, _number):
        properties = {
            "colour": {"type": "string", "title": "Colour", "enum": ["red", "green"]},
            "count": {"type": "integer", "description": "How many", "minimum": 1},
        }
        wanted = {"type": "object", "properties": properties, "required": ["colour", "count"]}
        answer = self.ask("elicitation/create", {"message": "What shall it be?", "requestedSchema": wanted})
        return json.dumps(answer, sort_keys=True)

    def do_ask_and_leave(self, given, _params, _number):
        wanted = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}
        question = {"message": "Never mind.", "requestedSchema": wanted}
        threading.Thread(target=self.ask, args=("elicitation/create", question), daemon=True).start()
        while not os.path.exists(given["until"]):
            time.sleep(0.01)
        return "left"

    def do_sample(self, _given, _params, _number):
        messages = [{"role": "user", "content": {"type": "text", "text": "sample this"}}]
        return json.dumps(self.ask("sampling/createMessage", {"messages": messages, "maxTokens": 10}), sort_keys=True)

    def do_roots(self, _given, _params, _number):
        return json.dumps(self.ask("roots/list", {}))

    def do_environment(self, given, _params, _number):
        return os.environ.get(given["name"], "(not set)")

    def do_fail(self, _given, _params, _number):
        return {"content": [{"type": "text", "text": "it did not work"}], "isError": True}

    def do_kinds(self, _given, _params, _number):
        resource = {"uri": "test://a", "mimeType": "text/plain", "text": "inside"}
        content = [
            {"type": "text", "text": "text"},
            {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
            {"type": "image", "data": "AAAA", "mimeType": "image/png"},
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
            {"type": "resource", "resource": resource},
            {"type": "resource", "resource": {"uri": "test://b", "mimeType": "application/zip", "blob": "AAAAAAAA"}},
            {"type": "resource_link", "uri": "test://c", "name": "linked"},
        ]
        return {"content": content}

    def do_structured(self, _given, _params, _number):
        return {"content": [], "structuredContent": {"answer": 42}}

    def do_child(self, given, _params, _number):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", given["mark"]])
        return "started"


def serve_stdio():
    lock = threading.Lock()

    def send(message):
        line = message if isinstance(message, str) else json.dumps(message)
        with lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    print("ready to serve", file=sys.stderr, flush=True)
    server = Server(send)
    for line in sys.stdin:
        message = json.loads(line)
        server.take(message)
        if "--deaf" in OPTIONS and message.get("method") == "tools/list":
            while True:
                send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    log("end of input")


def serve_http(port_file):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(405)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_DELETE(self):
            log("delete")
            self.do_GET()

        def do_POST(self):
            if self.headers.get("Authorization") != "Bearer sesame":
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Bearer")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200 if "method" in message and "id" in message else 202)
            if "id" not in message or "method" not in message:
                self.send_header("Content-Length", "0")
                self.end_headers()
                return SERVER.take(message)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Mcp-Session-Id", "one")
            self.send_header("Connection", "close")
            self.end_headers()

            def send(answer):
                text = answer if isinstance(answer, str) else json.dumps(answer)
                self.wfile.write(f"event: message\ndata: {text}\n\n".encode())
                self.wfile.flush()

            SERVER.send = send
            SERVER.answer(message)
            self.close_connection = True

    SERVER = Server(None)
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(port_file + ".new", "w", encoding="utf-8") as file:
        file.write(str(listening.server_address[1]))
    os.rename(port_file + ".new", port_file)
    listening.serve_forever()


if "--http" in OPTIONS:
    serve_http(OPTIONS[OPTIONS.index("--http") + 1])
elif "--broken" in OPTIONS:
    print("cannot start: no such thing", file=sys.stderr, flush=True)
    sys.exit(4)
else:
    serve_stdio()
