#!/usr/bin/env python3
"""A model that says what a test tells it to, over the wires of Anthropic's Messages and OpenAI's chat completions.

    model_server.py SCENARIO.json [--gates DIR] [--log FILE] [--port N]

Prints its port on a line of its own. A scenario is `{"steps": [STEP, ...]}`; the first step that matches a request
answers it:

    {"prompt": "fix",        part of the latest text of the user (any, when absent)
     "results": 0,           how many tool results followed that text (any, when absent)
     "contains": "...",      part of the whole request (any, when absent)
     "times": 1,             for how many requests the step is good (any number, when absent)
     "say": [ACTION, ...]}

Actions, in order:

    {"text": "...", "piece": 8, "every_ms": 5}    the answer, in pieces of so many characters, paced
    {"thinking": "..."}                           reasoning; takes `piece` and `every_ms` too
    {"tool": "read", "input": {...}}              a tool call
    {"gate": "name"}                              wait until the gate is open
    {"error": 429, "retry_after": 1, "message": "..."}    answer with this status (only as the first action)
    {"cut": true}                                 break the connection off
    {"stop": "max_tokens"}                        end with this reason (in Anthropic's words)
    {"usage": {"input": 10, "output": 5, "cache_read": 0, "cache_write": 0}}

A gate is opened by `POST /__release {"gate": "name"}`, or by a file of its name in DIR, and stays open.
`GET /__log` lists the requests so far (method, path, headers with credentials starred, body); FILE gets the same, one
a line.
`POST /__scenario` replaces the scenario. A request that no step matches is answered with status 400 and says so.
"""

import argparse
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET_HEADERS = {"x-api-key", "authorization", "api-key"}
GATE_POLL_SECONDS = 0.01
GATE_LIMIT_SECONDS = 900


class Scenario:
    """The steps, the gates and the log; shared by all connections."""

    def __init__(self, steps, gates_dir, log_file):
        self.lock = threading.Condition()
        self.steps = steps
        self.uses = {}
        self.gates_dir = gates_dir
        self.released = set()
        self.log = []
        self.log_file = log_file

    def note(self, request):
        with self.lock:
            self.log.append(request)
            if self.log_file:
                with open(self.log_file, "a", encoding="utf-8") as file:
                    file.write(json.dumps(request) + "\n")

    def replace(self, steps):
        with self.lock:
            self.steps, self.uses = steps, {}

    def choose(self, prompt, results, body):
        with self.lock:
            for index, step in enumerate(self.steps):
                if (
                    step.get("prompt", "") in prompt
                    and step.get("results", results) == results
                    and step.get("contains", "") in body
                    and self.uses.get(index, 0) < step.get("times", float("inf"))
                ):
                    self.uses[index] = self.uses.get(index, 0) + 1
                    return step
        return None

    def release(self, gate):
        with self.lock:
            self.released.add(gate)
            self.lock.notify_all()

    def is_open(self, gate):
        return gate in self.released or (self.gates_dir and os.path.exists(os.path.join(self.gates_dir, gate)))

    def wait_for(self, gate):
        limit = time.monotonic() + GATE_LIMIT_SECONDS
        with self.lock:
            while not self.is_open(gate) and time.monotonic() < limit:
                self.lock.wait(GATE_POLL_SECONDS)


def look(messages):
    """The latest prompt of the user (adjacent texts are one), and how many tool results came after it."""
    prompt, is_open, results = "", False, 0
    for message in messages:
        content, role = message.get("content"), message.get("role")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for block in blocks:
            if role == "user" and block.get("type") == "text":
                prompt = prompt + "\n" + block["text"] if is_open else block["text"]
                is_open, results = True, 0
            else:
                is_open = False
                results += block.get("type") == "tool_result"
        results += role == "tool"
        is_open = is_open and role == "user"
    return prompt, results


def pieces(action, text):
    size = action.get("piece", len(text) or 1)
    for start in range(0, len(text), size):
        yield text[start : start + size]
        if action.get("every_ms"):
            time.sleep(action["every_ms"] / 1000)


class Cut(Exception):
    """The scenario breaks the connection off."""


class Anthropic:
    """Writes a reply as Anthropic's event stream."""

    def __init__(self, send, model):
        self.send_raw, self.model, self.index, self.calls = send, model, -1, 0
        self.usage = {"input": 10, "output": 5, "cache_read": 0, "cache_write": 0}
        self.stop = None

    def send(self, kind, **fields):
        self.send_raw(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n")

    def start(self):
        usage = {
            "input_tokens": self.usage["input"],
            "output_tokens": 1,
            "cache_read_input_tokens": self.usage["cache_read"],
            "cache_creation_input_tokens": self.usage["cache_write"],
        }
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": []}
        self.send("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})

    def block(self, block, deltas):
        self.index += 1
        self.send("content_block_start", index=self.index, content_block=block)
        for delta in deltas:
            self.send("content_block_delta", index=self.index, delta=delta)
        self.send("content_block_stop", index=self.index)

    def text(self, parts):
        self.block({"type": "text", "text": ""}, ({"type": "text_delta", "text": part} for part in parts))

    def thinking(self, parts):
        def deltas():
            for part in parts:
                yield {"type": "thinking_delta", "thinking": part}
            yield {"type": "signature_delta", "signature": "c2lnbmVk"}

        self.block({"type": "thinking", "thinking": "", "signature": ""}, deltas())

    def tool(self, call_id, name, arguments):
        self.calls += 1
        halves = (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :])
        self.block(
            {"type": "tool_use", "id": call_id, "name": name, "input": {}},
            ({"type": "input_json_delta", "partial_json": half} for half in halves),
        )

    def end(self):
        stop = self.stop or ("tool_use" if self.calls else "end_turn")
        delta = {"stop_reason": stop, "stop_sequence": None}
        self.send("message_delta", delta=delta, usage={"output_tokens": self.usage["output"]})
        self.send("message_stop")

    @staticmethod
    def error(status, message):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "overloaded_error" if status == 529 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


class OpenAi:
    """Writes a reply as OpenAI's chunks."""

    stops = {"max_tokens": "length", "end_turn": "stop", "refusal": "content_filter", "tool_use": "tool_calls"}

    def __init__(self, send, model):
        self.send_raw, self.model, self.calls = send, model, 0
        self.usage = {"input": 10, "output": 5, "cache_read": 0, "cache_write": 0}
        self.stop = None

    def chunk(self, delta, finish=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self.emit({"choices": [choice]})

    def emit(self, fields):
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": self.model, **fields}
        self.send_raw(f"data: {json.dumps(chunk)}\n\n")

    def start(self):
        self.chunk({"role": "assistant", "content": ""})

    def text(self, parts):
        for part in parts:
            self.chunk({"content": part})

    def thinking(self, parts):
        for part in parts:
            self.chunk({"reasoning_content": part})

    def tool(self, call_id, name, arguments):
        index, self.calls = self.calls, self.calls + 1
        function = {"name": name, "arguments": ""}
        self.chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        for half in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            self.chunk({"tool_calls": [{"index": index, "function": {"arguments": half}}]})

    def end(self):
        stop = self.stops.get(self.stop, self.stop) or ("tool_calls" if self.calls else "stop")
        self.chunk({}, stop)
        usage = {
            "prompt_tokens": self.usage["input"] + self.usage["cache_read"],
            "completion_tokens": self.usage["output"],
            "total_tokens": self.usage["input"] + self.usage["cache_read"] + self.usage["output"],
            "prompt_tokens_details": {"cached_tokens": self.usage["cache_read"]},
        }
        self.emit({"choices": [], "usage": usage})
        self.send_raw("data: [DONE]\n\n")

    @staticmethod
    def error(status, message):
        kind = "rate_limit_exceeded" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": kind}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Deltas leave as they come.
    disable_nagle_algorithm = True
    scenario = None
    calls = 0

    def log_message(self, *_):
        pass

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, header in headers:
            self.send_header(name, header)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/__log":
            self.answer(200, self.scenario.log)
        elif self.path.endswith("/models"):
            self.answer(200, {"object": "list", "data": [{"id": "fake", "object": "model"}]})
        else:
            self.answer(404, {"error": {"message": f"nothing at {self.path}"}})

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw or b"{}")
        if self.path == "/__release":
            self.scenario.release(body["gate"])
            return self.answer(200, {})
        if self.path == "/__scenario":
            self.scenario.replace(body["steps"])
            return self.answer(200, {})
        wire = Anthropic if self.path.endswith("/messages") else OpenAi if self.path.endswith("/completions") else None
        if wire is None:
            return self.answer(404, {"error": {"message": f"nothing at {self.path}"}})
        headers = {k.lower(): "***" if k.lower() in SECRET_HEADERS else v for k, v in self.headers.items()}
        self.scenario.note({"method": "POST", "path": self.path, "headers": headers, "body": body})
        self.reply(wire, body, raw.decode())

    def reply(self, wire, body, raw):
        prompt, results = look(body.get("messages", []))
        step = self.scenario.choose(prompt, results, raw)
        if step is None:
            message = f"the scenario has no step for {prompt!r} after {results} tool results"
            return self.answer(400, wire.error(400, message))
        actions = step["say"]
        if actions and "error" in actions[0]:
            action = actions[0]
            retry = [("Retry-After", str(action["retry_after"]))] if "retry_after" in action else []
            return self.answer(action["error"], wire.error(action["error"], action.get("message", "as told")), retry)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            self.play(wire(self.send_chunk, body.get("model", "fake")), actions)
            self.wfile.write(b"0\r\n\r\n")
        except (Cut, BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def send_chunk(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def play(self, out, actions):
        for action in actions:
            out.usage.update(action.get("usage", {}))
            out.stop = action.get("stop", out.stop)
        out.start()
        for action in actions:
            if "text" in action:
                out.text(pieces(action, action["text"]))
            elif "thinking" in action:
                out.thinking(pieces(action, action["thinking"]))
            elif "tool" in action:
                Handler.calls += 1
                out.tool(f"call_{Handler.calls}", action["tool"], json.dumps(action["input"]))
            elif "gate" in action:
                self.scenario.wait_for(action["gate"])
            elif "cut" in action:
                raise Cut
        out.end()


def main():
    parser = argparse.ArgumentParser(description="A scripted model for tests.")
    parser.add_argument("scenario")
    parser.add_argument("--gates", help="a folder; a file in it opens the gate of its name")
    parser.add_argument("--log", help="a file that gets each request as a line of JSON")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    with open(arguments.scenario, encoding="utf-8") as file:
        Handler.scenario = Scenario(json.load(file)["steps"], arguments.gates, arguments.log)
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
