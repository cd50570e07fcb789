"""What every client here sits at: a project, a scripted model, and an environment of its own."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

BINARY = os.environ["PILLION_BINARY"]
TOOLS = Path(os.environ["PLAIN_TOOLS"])
# Long where it must not be reached: the machine may be busy.
LONG = 120
MODEL_SERVER = Path(__file__).parent.parent / "model_server.py"


class Desk:
    """A folder with a project in it, and a model that says what `steps` tell it to."""

    def __init__(self, folder, files, steps):
        self.folder, self.project = folder, folder / "project"
        for path, text in files.items():
            (self.project / path).parent.mkdir(parents=True, exist_ok=True)
            (self.project / path).write_text(text, encoding="utf-8")
        for name in ("home", "gates"):
            (folder / name).mkdir(parents=True)
        (folder / "scenario.json").write_text(json.dumps({"steps": steps}), encoding="utf-8")
        self.log = folder / "requests"
        self.log.touch()
        command = [sys.executable, MODEL_SERVER, folder / "scenario.json"]
        command += ["--gates", folder / "gates", "--log", self.log]
        self.model = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        port = self.model.stdout.readline().strip()
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TERMINFO") if name in os.environ},
            "HOME": str(folder / "home"),
            "TERM": "xterm-256color",
            "PILLION_MODEL": "anthropic/fake",
            "PILLION_STATE_DIR": str(folder / "state"),
            "PILLION_CONFIG": str(folder / "config.toml"),
            "ANTHROPIC_API_KEY": "not-a-key",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{port}",
        }

    def open_gate(self, name):
        (self.folder / "gates" / name).touch()

    def requests(self):
        """What the model was sent, one string of JSON for each call."""
        return self.log.read_text(encoding="utf-8").splitlines()

    def leave(self):
        self.model.kill()
        self.model.wait()


def wait_for(what, condition, explain=lambda: ""):
    """Polls until there is something, and gives it."""
    limit = time.monotonic() + LONG
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: it never came to be. {explain()}")
