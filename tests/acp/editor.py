"""An editor, as far as is needed beside a chat: it shows a file that is not saved, and takes edits of it."""

import json
import subprocess
import threading


class Editor:
    def __init__(self, command, environment, folder, file, text):
        self.uri, self.text, self.version, self.edits = file.as_uri(), text, 1, 0
        self.answered = threading.Event()
        self.server = subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        threading.Thread(target=self.listen, daemon=True).start()
        self.call("initialize", {
            "processId": None, "rootUri": folder.as_uri(),
            "capabilities": {"general": {"positionEncodings": ["utf-8"]}, "workspace": {"applyEdit": True}},
        })
        self.say({"method": "initialized", "params": {}})
        document = {"uri": self.uri, "languageId": "text", "version": 1, "text": text}
        self.say({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        # What was opened has taken effect when this is answered.
        self.call("session/list", {})

    def say(self, message):
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self.server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.server.stdin.flush()

    def call(self, method, params):
        self.answered.clear()
        self.say({"id": method, "method": method, "params": params})
        if not self.answered.wait(30):
            raise AssertionError(f"{method} has no answer")

    def listen(self):
        while header := self.server.stdout.readline():
            length = int(header.split(b":")[1])
            while self.server.stdout.readline().strip():
                pass
            message = json.loads(self.server.stdout.read(length))
            if "method" not in message:
                self.answered.set()
            elif message["method"] == "workspace/applyEdit":
                self.apply(message["params"]["edit"])
                self.say({"id": message["id"], "result": {"applied": True}})
            elif "id" in message:
                self.say({"id": message["id"], "result": None})

    def apply(self, edit):
        changes = edit.get("changes", {}).get(self.uri) or edit["documentChanges"][0]["edits"]
        lines = self.text.splitlines(keepends=True) + [""]
        place = lambda at: sum(map(len, lines[: at["line"]])) + at["character"]
        for change in sorted(changes, key=lambda change: place(change["range"]["start"]), reverse=True):
            start, end = place(change["range"]["start"]), place(change["range"]["end"])
            self.text = self.text[:start] + change["newText"] + self.text[end:]
        self.edits += 1
        self.version += 1
        document = {"uri": self.uri, "version": self.version}
        change = {"textDocument": document, "contentChanges": [{"text": self.text}]}
        self.say({"method": "textDocument/didChange", "params": change})

    def leave(self):
        self.server.stdin.close()
        self.server.wait(30)
