"""The cases of run.sh. Each has a project, a configuration and a state folder of its own; all share one log of what was
said, which is checked at the end."""

import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

import schema
from editor import Editor

HERE = pathlib.Path(__file__).parent
# Seconds; long where it must not be reached: the machine may be busy.
LIMIT = 180
SCRIPT = [
    {"afterTools": True, "steps": [{"text": "Done."}], "reuse": True},
    {
        "match": "hello",
        "steps": [
            {"thinking": "Hm."},
            {"text": "I'll add a line."},
            {"toolCall": {"name": "plan", "input": {"items": [{"text": "Add a line", "status": "inProgress"}]}}},
            {"toolCall": {"name": "read", "input": {"path": "a.txt"}}},
            {"toolCall": {"name": "edit", "input": {
                "path": "a.txt", "old_string": "original\n", "new_string": "original\nadded\n"}}},
            {"usage": {"inputTokens": 10, "outputTokens": 5}},
        ],
        "reuse": True,
    },
    {"match": "shell", "steps": [{"toolCall": {"name": "bash", "input": {"command": "echo from the shell"}}}],
     "reuse": True},
    {"match": "SLOW", "steps": [{"text": "Working"}, {"hang": True}], "reuse": True},
]
CASES = []


def case(function):
    CASES.append(function)
    return function


class Desk:
    """A project and an agent, and what is needed to start clients."""

    def __init__(self, folder, log):
        self.folder = pathlib.Path(folder)
        self.project = self.folder / "project"
        self.project.mkdir()
        self.file = self.project / "a.txt"
        self.file.write_text("original\n")
        (self.folder / "home").mkdir()
        script = self.folder / "script.json"
        script.write_text(json.dumps(SCRIPT))
        config = self.folder / "config.toml"
        config.write_text(f"[providers.scripted]\nkind = \"scripted\"\nscript = {json.dumps(str(script))}\n")
        self.environment = os.environ | {
            "HOME": str(self.folder / "home"),
            "PILLION_CONFIG": str(config),
            "PILLION_STATE_DIR": str(self.folder / "state"),
            "PILLION_MODEL": "scripted/any",
            "PROJECT": str(self.project),
        }
        self.agent = [sys.executable, str(HERE / "tap.py"), str(log), os.environ["PILLION_BINARY"], "acp"]

    def run(self, *command):
        done = subprocess.run(
            command, env=self.environment, cwd=self.project, capture_output=True, text=True, timeout=LIMIT,
            check=False, stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout + done.stderr

    def acpx_command(self, *arguments):
        return ["acpx", "--cwd", str(self.project), "--agent", shlex.join(self.agent), *arguments]

    def acpx(self, *arguments):
        return self.run(*self.acpx_command(*arguments))

    def client(self, *command):
        """Runs a client that prints what it saw."""
        status, output = self.run(*command, *self.agent)
        expect(status == 0, output)
        return json.loads(output.strip().splitlines()[-1])


def expect(holds, what):
    if not holds:
        raise AssertionError(what)


def messages(output):
    """The traffic that acpx shows."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def stop_reasons(output):
    found = (message.get("result") for message in messages(output))
    return [result["stopReason"] for result in found if isinstance(result, dict) and "stopReason" in result]


RAW = ("--format", "json", "--json-strict")


@case
def acpx_approves(desk):
    status, output = desk.acpx("--approve-all", *RAW, "exec", "hello")
    expect(status == 0 and stop_reasons(output) == ["end_turn"], output)
    expect(desk.file.read_text() == "original\nadded\n", desk.file.read_text())
    expect('"fs/write_text_file"' in output, "the edit goes through the client")


@case
def acpx_denies(desk):
    status, output = desk.acpx("--deny-all", *RAW, "exec", "hello")
    expect(status == 5 and '"optionId":"deny"' in output, output)
    expect(desk.file.read_text() == "original\n", "nothing was written")


@case
def acpx_without_files(desk):
    status, output = desk.acpx("--no-fs", "--approve-all", *RAW, "exec", "hello")
    expect(status == 0 and '"method":"fs/' not in output, output)
    expect(desk.file.read_text() == "original\nadded\n", "the disk is written")


@case
def acpx_runs_a_command(desk):
    status, output = desk.acpx("--approve-all", *RAW, "exec", "shell")
    expect(status == 0 and "from the shell" in output, output)


# Seconds for which acpx keeps the agent between its commands, unless the session is closed.
KEPT = ("--ttl", str(LIMIT))


@case
def acpx_keeps_a_session_and_cancels(desk):
    status, output = desk.acpx(*KEPT, "sessions", "new")
    expect(status == 0, output)
    status, output = desk.acpx(*KEPT, "--approve-all", *RAW, "prompt", "hello")
    expect(status == 0 and stop_reasons(output) == ["end_turn"], output)
    shown = desk.folder / "slow.txt"
    with shown.open("w") as file:
        command = desk.acpx_command(*KEPT, *RAW, "prompt", "SLOW")
        slow = subprocess.Popen(command, env=desk.environment, cwd=desk.project, stdout=file, stderr=file)
        deadline = time.monotonic() + LIMIT
        while "Working" not in shown.read_text():
            expect(time.monotonic() < deadline and slow.poll() is None, shown.read_text())
            time.sleep(0.05)
        status, output = desk.acpx("cancel")
        expect(status == 0, output)
        slow.wait(LIMIT)
    expect(stop_reasons(shown.read_text()) == ["cancelled"], shown.read_text())
    status, output = desk.acpx("sessions", "close")
    expect(status == 0, output)


@case
def acpx_beside_an_editor(desk):
    command = [os.environ["PILLION_BINARY"], "lsp"]
    editor = Editor(command, desk.environment, desk.project, desk.file, "original\nnot saved\n")
    try:
        status, output = desk.acpx("--approve-all", *RAW, "exec", "hello")
    finally:
        editor.leave()
    expect(status == 0 and stop_reasons(output) == ["end_turn"], output)
    expect((editor.text, editor.edits) == ("original\nadded\nnot saved\n", 1), (editor.text, output))
    expect('"method":"fs/' not in output, "what the editor shows is not asked of the client")
    expect(desk.file.read_text() == "original\n", "the disk is as it was")


def sdk_saw_everything(desk, seen):
    expect(seen["agent"] == "pillion", seen)
    expect(seen["stops"] == ["end_turn", "cancelled"], seen)
    expect(seen["buffer"] == "original\nadded\nnot saved\n", seen)
    expect(seen["asked"] == ["Edit a.txt"], seen)
    expect(desk.file.read_text() == "original\n", "the disk is as it was")
    kinds = {"tool_call", "tool_call_update", "agent_message_chunk", "agent_thought_chunk", "plan"}
    expect(kinds <= set(seen["updates"]), seen)


@case
def typescript_sdk(desk):
    sdk_saw_everything(desk, desk.client("node", str(HERE / "client.mjs")))


@case
def python_sdk(desk):
    seen = desk.client(sys.executable, str(HERE / "client.py"))
    sdk_saw_everything(desk, seen)
    expect(seen["listed"], seen)
    expect({"user_message_chunk", "tool_call", "agent_message_chunk"} <= set(seen["past"]), seen)


def main():
    only = os.environ.get("ONLY", "")
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        folder = pathlib.Path(folder).resolve()
        log = folder / "said.jsonl"
        log.touch()
        for number, run in enumerate(case for case in CASES if only in case.__name__):
            place = folder / str(number)
            place.mkdir()
            try:
                run(Desk(place, log))
            except (AssertionError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
                failed += 1
                print(f"FAILED {run.__name__}: {error}")
            else:
                print(f"ok {run.__name__}")
        definitions = pathlib.Path(os.environ["ACP_MODULES"], "@agentclientprotocol/sdk/schema/v1/schema.json")
        count, wrong = schema.check(definitions, log)
        for error in wrong:
            print(f"FAILED schema: {error}")
        failed += bool(wrong) + (count == 0)
        if count and not wrong:
            print(f"ok schema: {count} messages")
    print(f"{failed} failed")
    return bool(failed)


sys.exit(main())
