"""A whole turn by nothing but sockets, byte for byte as RFC 6455 has it: python3 frames.py URL TOKEN PROMPT."""

import json
import os
import socket
import struct
import sys
from base64 import b64encode

url, token, prompt = sys.argv[1:]
place = url.split("//")[1]
wire = socket.create_connection(place.rsplit(":", 1)).makefile("rwb")
key = b64encode(os.urandom(16)).decode()
lines = ["GET / HTTP/1.1", f"Host: {place}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
lines += [f"Sec-WebSocket-Key: {key}", f"Authorization: Bearer {token}", "", ""]
wire.write("\r\n".join(lines).encode())
wire.flush()
assert b" 101 " in wire.readline()
while wire.readline() != b"\r\n":
    pass


def frame(code, payload):
    mask = os.urandom(4)
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    wire.write(struct.pack(">BBH", 0x80 | code, 0x80 | 126, len(payload)) + mask + masked)
    wire.flush()


def send(method, **params):
    frame(1, json.dumps({"jsonrpc": "2.0", "id": method, "method": method, "params": params}).encode())


def receive():
    code, length = wire.read(2)
    if length >= 126:
        length = int.from_bytes(wire.read(2 if length == 126 else 8), "big")
    payload = wire.read(length)
    if code & 15 == 9:  # a ping wants a pong
        frame(10, payload)
        return receive()
    return json.loads(payload)


send("session/new")
session = receive()["result"]["sessionId"]
send("session/events", sessionId=session)
send("turn/start", sessionId=session, prompt=[{"type": "text", "text": prompt}])
while True:
    message = receive()
    event = message.get("params", {}).get("result", {}).get("event", {})
    if event.get("type") == "messageDelta":
        print(event["text"], end="", flush=True)
    elif event.get("type") == "approvalRequested":
        print(f"[{event['approval']['title']}: allowed]", end=" ")
        send("approval/respond", approvalId=event["approval"]["approvalId"], decision={"type": "allow"})
    elif event.get("type") == "turnEnded":
        sys.exit(print(f"\n{event['stopReason']}"))
