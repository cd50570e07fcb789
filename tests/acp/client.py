"""client.py AGENT...    a client made of the protocol's Python SDK, whose strict models check all that comes in. It edits
a file that is not saved, lets a turn be cancelled, finds its session again, and prints what it saw as JSON."""

import asyncio
import json
import os
import sys

from acp import PROTOCOL_VERSION, spawn_agent_process, text_block
from acp.schema import (
    AllowedOutcome,
    ClientCapabilities,
    FileSystemCapabilities,
    ReadTextFileResponse,
    RequestPermissionResponse,
    WriteTextFileResponse,
)

FOLDER = os.environ["PROJECT"]
FILE = os.path.join(FOLDER, "a.txt")
# What a turn and what a session that is opened again tell, whatever else.
TOLD = {"tool_call", "tool_call_update", "agent_message_chunk", "agent_thought_chunk", "plan"}
PAST = {"user_message_chunk", "tool_call", "agent_message_chunk"}


class Person:
    def __init__(self):
        self.buffers = {FILE: "original\nnot saved\n"}
        self.updates, self.asked = [], []
        self.working = asyncio.Event()

    def on_connect(self, connection):
        pass

    async def session_update(self, session_id, update, **_):
        self.updates.append(update.session_update)
        if getattr(getattr(update, "content", None), "text", "") == "Working":
            self.working.set()

    async def read_text_file(self, session_id, path, line=None, limit=None, **_):
        return ReadTextFileResponse(content=self.buffers[path])

    async def write_text_file(self, session_id, path, content, **_):
        self.buffers[path] = content
        return WriteTextFileResponse()

    async def request_permission(self, session_id, tool_call, options, **_):
        self.asked.append(tool_call.title)
        allow = next(option for option in options if option.kind == "allow_once")
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=allow.option_id))

    async def ext_method(self, method, params):
        return {}

    async def ext_notification(self, method, params):
        pass


async def until(condition):
    """The SDK hands over what an agent tells beside what it answers."""
    while not condition():
        await asyncio.sleep(0.02)


async def main():
    person = Person()
    async with spawn_agent_process(person, sys.argv[1], *sys.argv[2:], env=dict(os.environ)) as (agent, _):
        files = FileSystemCapabilities(read_text_file=True, write_text_file=True)
        info = await agent.initialize(
            protocol_version=PROTOCOL_VERSION, client_capabilities=ClientCapabilities(fs=files)
        )
        session = (await agent.new_session(cwd=FOLDER, mcp_servers=[])).session_id
        stops = [(await agent.prompt(session_id=session, prompt=[text_block("hello")])).stop_reason]
        slow = asyncio.create_task(agent.prompt(session_id=session, prompt=[text_block("SLOW")]))
        await person.working.wait()
        await agent.cancel(session_id=session)
        stops.append((await slow).stop_reason)
        await until(lambda: TOLD <= set(person.updates))
        updates = list(person.updates)
        listed = [known.session_id for known in (await agent.list_sessions(cwd=FOLDER)).sessions]
        await agent.load_session(session_id=session, cwd=FOLDER, mcp_servers=[])
        await until(lambda: PAST <= set(person.updates[len(updates) :]))
        seen = {
            "agent": info.agent_info.name,
            "updates": updates,
            "past": person.updates[len(updates) :],
            "asked": person.asked,
            "stops": stops,
            "listed": session in listed,
            "buffer": person.buffers[FILE],
        }
    print(json.dumps(seen))


asyncio.run(main())
