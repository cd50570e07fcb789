"""Helix in a terminal: keys in, the screen out."""

import shutil
import subprocess

import pytest

from desk import BINARY, TOOLS, wait_for
from test_protocol import FILES, STEPS, UNSAVED

HELIX = TOOLS / "bin" / "hx"
pytestmark = pytest.mark.skipif(
    not (HELIX.exists() and shutil.which("tmux")), reason="Helix or tmux cannot be had here"
)

# The lines from editors/README.md.
LANGUAGES = """
[language-server.pillion]
command = "{binary}"
args = ["lsp"]

[[language]]
name = "python"
language-servers = ["pillion"]
"""


# What Helix says where there is nothing to do, or nobody to ask yet.
NO_MENU = ("No code actions", "No configured language server")


class Helix:
    def __init__(self, desk, file):
        self.desk, self.name = desk, f"pillion-helix-{desk.folder.parent.name}-{desk.folder.name}"
        configuration = desk.folder / "home" / ".config" / "helix"
        configuration.mkdir(parents=True)
        (configuration / "languages.toml").write_text(LANGUAGES.format(binary=BINARY))
        (desk.project / ".git").mkdir(exist_ok=True)
        variables = [f"{name}={value}" for name, value in desk.environment.items()]
        command = ["env", "-i", *variables, HELIX, file]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", 110, "-y", 30, "-c", desk.project, *command)
        self.tmux("set-option", "-s", "escape-time", 0)
        self.sees("return x")

    def tmux(self, *arguments):
        command = ["tmux", "-L", self.name, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def press(self, *keys):
        for key in keys:
            self.tmux("send-keys", key)

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def sees(self, text):
        wait_for(f"{text!r} on the screen", lambda: text in self.screen(), self.screen)

    def no_longer_sees(self, text):
        wait_for(f"{text!r} off the screen", lambda: text not in self.screen(), self.screen)

    def keep_screen(self, name):
        (TOOLS / "screens" / f"helix-{name}.txt").write_text(self.screen())

    def leave(self):
        subprocess.run(["tmux", "-L", self.name, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def open_helix(sit_down):
    editors = []

    def open_one(steps=STEPS):
        editors.append(Helix(sit_down(FILES, steps), "a.py"))
        helix = editors[-1]
        helix.type("i")
        helix.type(UNSAVED.strip())
        helix.press("Enter")
        helix.sees("import os")
        # A key right behind Escape would be read as one with Alt.
        helix.press("Escape")
        helix.sees(" NOR ")
        return helix

    yield open_one
    for editor in editors:
        editor.leave()


def open_menu(helix, action):
    """Opens the menu of code actions at the cursor, again until the server is there."""

    def is_offered():
        # The first key also takes away what was said of the last try.
        helix.type(" ")
        helix.sees("Space")
        assert not any(text in helix.screen() for text in NO_MENU)
        helix.type("a")
        wait_for("the menu", lambda: any(text in helix.screen() for text in (action, *NO_MENU)), helix.screen)
        return action in helix.screen()

    wait_for(action, is_offered, helix.screen)


def choose(helix, action):
    open_menu(helix, action)
    helix.keep_screen("code-action")
    helix.press("Enter")


def test_comment_approval_edit_in_the_unsaved_buffer_undo(open_helix):
    helix = open_helix()
    choose(helix, "Pillion: add one")
    helix.sees("Edit a.py")
    helix.sees("Allow")
    helix.keep_screen("approval")
    helix.press("Down", "Enter")
    helix.sees("return x + 1")
    helix.no_longer_sees("pillion: add one")
    helix.sees("[+]")
    helix.keep_screen("edited")
    helix.sees("Done.")
    # Any key takes the message away; one right behind Escape would be read as one with Alt.
    helix.press("Escape")
    helix.no_longer_sees("Done.")
    helix.type("u")
    helix.sees("# pillion: add one")
    helix.no_longer_sees("return x + 1")
    helix.sees("import os")
    assert (helix.desk.project / "a.py").read_text() == FILES["a.py"], "nothing was saved"


def test_no_is_no(open_helix):
    helix = open_helix()
    choose(helix, "Pillion: add one")
    helix.sees("Allow for this session")
    helix.press("Escape")
    helix.sees("Done.")
    helix.sees("# pillion: add one")
    helix.no_longer_sees("return x + 1")


def test_commands_and_a_long_answer_as_a_document(open_helix):
    long = "# Why\n\n" + "\n".join(f"{number}. because" for number in range(9))
    helix = open_helix([{"prompt": "why so", "say": [{"text": long}]}, {"say": [{"text": "Hm"}, {"gate": "never"}]}])
    # So that the server is there.
    open_menu(helix, "Pillion: add one")
    helix.press("Escape")
    helix.no_longer_sees("Pillion: add one")
    helix.type(':lsp-workspace-command pillion.ask "why so?"')
    helix.press("Enter")
    helix.sees("8. because")
    helix.keep_screen("document")
    helix.type(":buffer-close")
    helix.press("Enter")
    helix.no_longer_sees("8. because")
    # What never ends is stopped.
    helix.type(':lsp-workspace-command pillion.ask "wait"')
    helix.press("Enter")
    wait_for("the turn runs", lambda: len(helix.desk.requests()) == 2, helix.screen)
    helix.type(":lsp-workspace-command pillion.stop")
    helix.press("Enter")
    helix.sees("Pillion was stopped.")
