"""A whole turn over WebSocket, approvals included: python3 client.py URL TOKEN PROMPT (needs the package websockets)."""

import asyncio
import itertools
import json
import sys

from websockets.asyncio.client import connect


async def main(url, token, prompt):
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(url.replace("http", "ws", 1), additional_headers=headers, max_size=None) as socket:
        ids, events = itertools.count(1), asyncio.Queue()

        async def call(method, **params):
            number = next(ids)
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
            while (message := json.loads(await socket.recv())).get("id") != number:
                events.put_nowait(message)
            if "error" in message:
                sys.exit(f"{method}: {message['error']['message']}")
            return message["result"]

        session = (await call("session/new"))["sessionId"]
        await call("session/events", sessionId=session, fromSeq=1)
        await call("turn/start", sessionId=session, prompt=[{"type": "text", "text": prompt}])
        while True:
            message = events.get_nowait() if not events.empty() else json.loads(await socket.recv())
            event = message["params"]["result"]["event"]
            if event["type"] == "messageDelta":
                print(event["text"], end="", flush=True)
            elif event["type"] == "approvalRequested":
                print(f"[{event['approval']['title']}: allowed]", end=" ")
                await call("approval/respond", approvalId=event["approval"]["approvalId"], decision={"type": "allow"})
            elif event["type"] == "turnEnded":
                return print(f"\n{event['stopReason']}")


asyncio.run(main(*sys.argv[1:]))
