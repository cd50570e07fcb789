"""Emacs with eglot, as it comes."""

import json
import subprocess
from pathlib import Path

import pytest

from desk import BINARY, LONG, TOOLS
from test_protocol import ANSWERED, FILES, STEPS, UNSAVED

EMACS = TOOLS / "bin" / "emacs"
pytestmark = pytest.mark.skipif(not EMACS.exists(), reason="Emacs cannot be had here")


def play(desk, answer):
    command = [EMACS, "-Q", "--batch", "-l", Path(__file__).parent / "eglot.el", BINARY]
    command += [desk.project / "a.py", UNSAVED, answer]
    ran = subprocess.run(command, env=desk.environment, capture_output=True, text=True, timeout=3 * LONG)
    seen = [line for line in ran.stdout.splitlines() if line.startswith("SEEN ")]
    assert seen, ran.stdout + ran.stderr
    return json.loads(seen[0].removeprefix("SEEN "))


def test_comment_approval_edit_in_the_unsaved_buffer_undo(sit_down):
    desk = sit_down(FILES, STEPS)
    seen = play(desk, "Allow")
    assert seen["actions"] == ["Pillion: add one"]
    assert "Edit a.py" in seen["popups"][0] and "+    return x + 1" in seen["popups"][0]
    assert (seen["after"], seen["modified"]) == (ANSWERED, True)
    assert seen["undone"] == seen["before"] == UNSAVED + FILES["a.py"]
    assert (desk.project / "a.py").read_text() == FILES["a.py"], "nothing was saved"


def test_no_is_no(sit_down):
    seen = play(sit_down(FILES, STEPS), "Deny")
    assert seen["after"] == seen["before"]
