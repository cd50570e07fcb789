"""tap.py LOG COMMAND...    runs an agent and writes every line that goes either way into LOG, as {"to": side, "line": text}.

It stands between a client and an agent, and changes nothing."""

import json
import os
import subprocess
import sys
import threading

log = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
agent = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def carry(source, target, side):
    for line in iter(source.readline, b""):
        # Several taps may share a log: one write a line, which the system keeps whole.
        entry = {"tap": os.getpid(), "to": side, "line": line.decode("utf-8")}
        os.write(log, json.dumps(entry).encode() + b"\n")
        try:
            target.write(line)
            target.flush()
        except BrokenPipeError:
            break
    target.close()


threading.Thread(target=carry, args=(sys.stdin.buffer, agent.stdin, "agent"), daemon=True).start()
carry(agent.stdout, sys.stdout.buffer, "client")
sys.exit(agent.wait())
