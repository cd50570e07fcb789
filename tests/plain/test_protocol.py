"""Any LSP client: what the standard has, and nothing else."""

from urllib.parse import unquote, urlparse

import pytest
from lsprotocol import types as lsp
from pytest_lsp import client_capabilities

from person import Person

FILES = {"a.py": "# pillion: add one\ndef f(x):\n    return x\n"}
# The person has typed this and not saved it.
UNSAVED = "import os\n"
EDIT = [{"tool": "edit", "input": {"path": "a.py", "old_string": "return x", "new_string": "return x + 1"}}]
ANSWERED = "import os\ndef f(x):\n    return x + 1\n"
STEPS = [{"prompt": "comment in a.py", "results": 0, "say": EDIT}, {"results": 1, "say": [{"text": "Done."}]}]


@pytest.fixture
async def open_editor(sit_down):
    people = []

    async def open_one(steps=STEPS, answers=None, capabilities=None, files=FILES, manners=None):
        person = Person(sit_down(files, steps), "a.py", answers)
        person.manners.update(manners or {})
        people.append(person)
        await person.open(capabilities)
        person.type(0, 0, UNSAVED)
        return person

    yield open_one
    for person in people:
        await person.leave()


async def run_comment(person, line=1):
    actions = await person.actions((line, 0))
    return await person.run(actions["Pillion: add one"])


async def test_comment_approval_edit_in_the_unsaved_buffer_undo(open_editor):
    person = await open_editor(answers={"Edit a.py": "Allow"})
    before = person.text
    started = await run_comment(person)
    assert set(started) == {"sessionId", "turnId"}
    await person.turn_ends()
    assert person.text == ANSWERED
    (popup,) = person.popups
    assert "-# pillion: add one" in popup and "+    return x + 1" in popup, popup
    assert person.path.read_text() == FILES["a.py"], "nothing was saved"
    assert UNSAVED.strip() in person.desk.requests()[0], "the file as it is on the screen is the context"
    # Comment and edit are one step.
    person.undo()
    assert person.text == before
    person.undo()
    assert person.text == FILES["a.py"]


async def test_what_was_changed_is_shown_and_taken_back(open_editor):
    person = await open_editor(answers={"Edit a.py": "Allow"})
    before = person.text
    await run_comment(person)
    await person.turn_ends()
    (change,) = (await person.command("pillion.changes"))["changes"]
    assert (change["uri"], change["state"]) == (person.uri, "kept")
    (uri,) = await person.until("the document", lambda: person.documents)
    with open(unquote(urlparse(uri).path), encoding="utf-8") as document:
        shown = document.read()
    assert "    -# pillion: add one" in shown and "    +    return x + 1" in shown, shown
    # What the person types meanwhile stays.
    person.type(0, 0, "import sys\n")
    await person.run((await person.actions((0, 0)))["Take back what Pillion changed here"])
    await person.until("the text as it was", lambda: person.text == "import sys\n" + before)

    async def is_over():
        return "Take back what Pillion changed here" not in await person.actions((0, 0))

    await person.until("it is offered no more", is_over)


async def test_a_lens_runs_it_too_and_the_popup_says_no(open_editor):
    person = await open_editor(answers={"Edit a.py": "Deny"})
    before = person.text
    lenses = await person.lenses()
    assert [(lens.range.start.line, lens.command.title) for lens in lenses] == [(1, "Pillion: add one")]
    await person.run(lenses[0])
    await person.turn_ends()
    # The comment stays as well: whoever refused the edit may want to say it otherwise.
    assert (person.text, len(person.popups)) == (before, 1)


async def test_a_question_in_a_comment_takes_it_out_by_an_edit_of_its_own(open_editor):
    steps = [{"say": [{"text": "It adds nothing."}]}]
    person = await open_editor(steps)
    await run_comment(person)
    await person.turn_ends()
    assert not person.popups
    assert person.text == UNSAVED + "def f(x):\n    return x\n"
    await person.until("the answer", lambda: "It adds nothing." in person.messages)

    async def is_there():
        return "It adds nothing." in (await person.hover(1) or "")

    await person.until("the answer on the place", is_there)
    person.undo()
    assert person.text == UNSAVED + FILES["a.py"]


async def test_a_comment_that_is_typed_over_stays(open_editor):
    steps = [{"results": 0, "say": [{"gate": "typed"}, *EDIT]}, {"results": 1, "say": [{"text": "Done."}]}]
    person = await open_editor(steps, answers={"Edit a.py": "Allow"})
    await run_comment(person)
    await person.until("the turn runs", lambda: person.desk.requests())
    person.type(1, 15, "two", to=(1, 18))
    person.desk.open_gate("typed")
    await person.turn_ends()
    assert person.text == UNSAVED + "# pillion: add two\ndef f(x):\n    return x + 1\n"


async def test_typing_while_the_approval_is_open(open_editor):
    person = await open_editor(manners={lsp.WINDOW_SHOW_MESSAGE_REQUEST: "silent"})
    await run_comment(person)
    await person.until("the popup", lambda: person.popups)
    person.type(0, 0, "import sys\n")
    person.type(4, 12, "")
    assert await person.command("pillion.approve") == {"accepted": True}
    await person.turn_ends()
    assert person.text == "import sys\n" + ANSWERED


@pytest.mark.parametrize("manner", ["refuse", "silent", [], {"title": "Yes"}])
async def test_a_popup_that_fails_is_answered_by_a_code_action_on_the_place(open_editor, manner):
    person = await open_editor(manners={lsp.WINDOW_SHOW_MESSAGE_REQUEST: manner})
    await run_comment(person)
    await person.until("the popup", lambda: person.popups)
    assert "return x + 1" in await person.hover(3)
    lenses = await person.lenses()
    assert "Pillion: deny: Edit a.py" in [lens.command.title for lens in lenses]
    actions = await person.actions((3, 0))
    await person.run(actions["Pillion: allow: Edit a.py"])
    await person.turn_ends()
    assert person.text == ANSWERED
    assert not any("allow" in title for title in await person.actions((2, 0)))


async def test_where_nothing_can_be_shown_the_answer_is_no(open_editor):
    capabilities = {"workspace": {"applyEdit": True, "workspaceEdit": {"documentChanges": True}}}
    person = await open_editor(capabilities=capabilities, manners={lsp.WINDOW_SHOW_MESSAGE_REQUEST: "refuse"})
    before = person.text
    await run_comment(person)
    await person.until("the answer", lambda: "Done." in person.messages)
    assert person.text == before
    assert any("Edit a.py" in log and "nobody could be asked" in log for log in person.logs), person.logs
    assert "nobody could be asked, so this was not run" in person.desk.requests()[1], "the model knows why"


@pytest.mark.parametrize("manner", ["refuse", "silent", {}, {"applied": "yes"}])
async def test_an_edit_that_the_editor_does_not_make_is_told_to_the_model(open_editor, manner):
    steps = [{"results": 0, "say": EDIT}, {"contains": "is_error", "say": [{"text": "It would not."}]}]
    person = await open_editor(steps, {"Edit a.py": "Allow"}, manners={lsp.WORKSPACE_APPLY_EDIT: manner})
    before = person.text
    await run_comment(person)
    await person.turn_ends()
    assert person.text == before
    await person.until("the answer", lambda: "It would not." in person.messages)


@pytest.mark.parametrize("manner", ["refuse", "silent", {"success": "perhaps"}])
async def test_a_document_that_is_not_shown_becomes_a_message(open_editor, manner):
    long = "# Why\n\n" + "\n".join(f"{number}. because" for number in range(9))
    steps = [{"say": [{"text": long}]}]
    person = await open_editor(steps, manners={lsp.WINDOW_SHOW_DOCUMENT: manner})
    actions = await person.actions((2, 0), (3, 0))
    await person.run(actions["Explain with Pillion"])
    await person.until("the message", lambda: long in person.messages)
    request = person.desk.requests()[0]
    assert "Explain what this code does" in request and "def f(x):" in request, request


async def test_a_long_answer_is_a_document(open_editor):
    long = "# Why\n\n" + "\n".join(f"{number}. because" for number in range(9))
    person = await open_editor([{"say": [{"text": long}]}])
    await person.run((await person.actions((2, 0), (3, 0)))["Explain with Pillion"])
    (uri,) = await person.until("the document", lambda: person.documents)
    with open(unquote(urlparse(uri).path), encoding="utf-8") as document:
        assert long in document.read()
    assert long not in person.messages


async def test_progress_is_cancellable(open_editor):
    person = await open_editor([{"say": [{"text": "Thinking"}, {"gate": "never"}]}])
    await run_comment(person)
    await person.until("progress", lambda: any("Thinking" in (message or "") for _, message in person.progress))
    assert "Stop Pillion" in await person.actions((0, 0))
    person.client.window_work_done_progress_cancel(lsp.WorkDoneProgressCancelParams(token=person.token))
    await person.turn_ends()
    await person.until("the message", lambda: "Pillion was stopped." in person.messages)
    assert person.text == UNSAVED + FILES["a.py"], "the comment is there to be run again"


async def test_an_editor_without_progress_stops_by_command(open_editor):
    steps = [{"say": [{"text": "Thinking"}, {"gate": "never"}]}]
    person = await open_editor(steps, manners={lsp.WINDOW_WORK_DONE_PROGRESS_CREATE: "silent"})
    await run_comment(person)
    await person.until("the turn runs", lambda: person.desk.requests())
    assert await person.command("pillion.stop") == {"cancelled": 1}
    await person.until("the message", lambda: "Pillion was stopped." in person.messages)


async def test_a_problem_is_fixed(open_editor):
    steps = [{"prompt": "", "results": 0, "say": [{"text": "Seen."}]}]
    person = await open_editor(steps)
    place = lsp.Range(lsp.Position(3, 11), lsp.Position(3, 12))
    problem = lsp.Diagnostic(range=place, message="x is odd", severity=lsp.DiagnosticSeverity.Warning, source="lint")
    await person.run((await person.actions((3, 0), (3, 1), [problem]))["Fix with Pillion: x is odd"])
    await person.until("the answer", lambda: "Seen." in person.messages)
    assert "a.py:4: warning: [lint] x is odd" in person.desk.requests()[0]


async def test_commands_set_the_mode_and_go_on_with_a_conversation(open_editor):
    person = await open_editor()
    assert await person.command("pillion.mode", "acceptEdits") == {"set": "acceptEdits"}
    first = await run_comment(person)
    await person.turn_ends()
    assert (person.text, person.popups) == (ANSWERED, [])
    listed = await person.command("pillion.sessions")
    assert [session["sessionId"] for session in listed["sessions"]] == [first["sessionId"]]
    await person.command("pillion.sessions", {"sessionId": first["sessionId"]})
    # One string or several: editors differ.
    person.desk.open_gate("any")
    second = await person.command("pillion.ask", "comment", "in a.py, again")
    assert second["sessionId"] == first["sessionId"]
    await person.turn_ends(2)
    await person.command("pillion.new")
    third = await person.command("pillion.ask", {"prompt": "comment in a.py"})
    assert third["sessionId"] != first["sessionId"]
    await person.turn_ends(3)


async def test_commands_say_what_is_wrong(open_editor):
    person = await open_editor()
    for command, arguments, what in [
        ("pillion.ask", [], "the prompt is empty"),
        ("pillion.ask", [7], "arguments are strings"),
        ("pillion.approve", [], "nothing waits"),
        ("pillion.deny", [], "nothing waits"),
        ("pillion.show", [], "nothing waits"),
        ("pillion.mode", ["yolo"], "there is no mode"),
        ("pillion.model", ["nobody/nothing"], "nobody"),
        ("pillion.sessions", [{"sessionId": "20260101-000000-aaaaaa"}], "no session"),
        ("pillion.dance", [], "there is no command"),
    ]:
        with pytest.raises(Exception, match=what):
            await person.command(command, *arguments)


@pytest.mark.parametrize("editor", ["neovim", "emacs", "visual_studio_code"])
async def test_with_the_capabilities_of_real_editors(open_editor, editor):
    """As those editors introduce themselves, the plain door works from end to end."""
    capabilities = client_capabilities(editor)
    person = await open_editor(answers={"Edit a.py": "Allow"}, capabilities=capabilities)
    await run_comment(person)
    await person.until("the edit", lambda: person.text == ANSWERED)
