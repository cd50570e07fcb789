"""A person at an editor that is a plain LSP client, with a text of their own and an undo of their own."""

import asyncio
import inspect

from lsprotocol import types as lsp
from pygls.protocol import default_converter
from pytest_lsp import LanguageClient

from desk import BINARY, LONG

# What nearly every editor can.
CAPABILITIES = {
    "workspace": {
        "applyEdit": True,
        "workspaceEdit": {"documentChanges": True},
        "executeCommand": {},
        "codeLens": {"refreshSupport": False},
    },
    "window": {"workDoneProgress": True, "showDocument": {"support": True}},
    "textDocument": {
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": ["quickfix", "refactor"]}}},
        "hover": {"contentFormat": ["markdown"]},
    },
}


def converter():
    """As pygls has it, which takes a code action that has a command for a bare command."""
    made = default_converter()
    kinds = {str: lsp.Command, dict: lsp.CodeAction}
    made.register_structure_hook(
        lsp.Command | lsp.CodeAction, lambda found, _: made.structure(found, kinds[type(found.get("command"))])
    )
    return made


class Person:
    """How they answer popups: `answers` has what they choose, by the popup's first words."""

    def __init__(self, desk, path, answers=None):
        self.desk, self.path, self.answers = desk, desk.project / path, answers or {}
        self.uri = self.path.as_uri()
        self.text, self.version, self.undo_steps = "", 0, []
        self.popups, self.messages, self.documents, self.logs, self.progress = [], [], [], [], []
        # What the editor does with a request, in place of what it should: "refuse", "silent", or an answer.
        self.manners = {}
        self.leaving = asyncio.Event()
        self.client = LanguageClient(converter_factory=converter)
        self._listen()

    async def open(self, capabilities=None):
        await self.client.start_io(BINARY, "lsp", env=self.desk.environment)
        if not isinstance(capabilities, lsp.ClientCapabilities):
            structure = self.client.protocol._converter.structure
            capabilities = structure(CAPABILITIES if capabilities is None else capabilities, lsp.ClientCapabilities)
        folder = lsp.WorkspaceFolder(uri=self.desk.project.as_uri(), name="project")
        params = lsp.InitializeParams(capabilities=capabilities, workspace_folders=[folder])
        self.server = await self.client.initialize_session(params)
        self.text, self.version = self.path.read_text(encoding="utf-8"), 1
        document = lsp.TextDocumentItem(self.uri, "python", self.version, self.text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(document))
        return self

    async def leave(self):
        self.leaving.set()
        await self.client.shutdown_session()
        await self.client.stop()

    # ---- what they do

    def type(self, line, character, text, to=None):
        """Replaces from this place to `to` (line, character), as one step."""
        start = (line, character)
        self._remember()
        self._change([(start, to or start, text)])

    def undo(self):
        before = self.undo_steps.pop()
        end = (self.text.count("\n") + 1, 0)
        self._change([((0, 0), end, before)])

    async def run(self, action):
        """Runs a code action, a lens or a command."""
        command = action.command if not isinstance(action, lsp.Command) else action
        return await self.command(command.command, *(command.arguments or []))

    async def command(self, name, *arguments):
        params = lsp.ExecuteCommandParams(command=name, arguments=list(arguments))
        return await asyncio.wait_for(self.client.workspace_execute_command_async(params), LONG)

    async def actions(self, start, end=None, diagnostics=()):
        place = lsp.Range(lsp.Position(*start), lsp.Position(*(end or start)))
        context = lsp.CodeActionContext(diagnostics=list(diagnostics))
        params = lsp.CodeActionParams(lsp.TextDocumentIdentifier(self.uri), place, context)
        found = await asyncio.wait_for(self.client.text_document_code_action_async(params), LONG)
        return {action.title: action for action in found}

    async def lenses(self):
        params = lsp.CodeLensParams(lsp.TextDocumentIdentifier(self.uri))
        return await asyncio.wait_for(self.client.text_document_code_lens_async(params), LONG)

    async def hover(self, line):
        params = lsp.HoverParams(lsp.TextDocumentIdentifier(self.uri), lsp.Position(line, 0))
        found = await asyncio.wait_for(self.client.text_document_hover_async(params), LONG)
        return found and found.contents.value

    async def until(self, what, condition):
        """Waits until there is something, and gives it. What is awaited may be asked for, too."""
        try:
            async with asyncio.timeout(LONG):
                while True:
                    found = condition()
                    if inspect.isawaitable(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(0.02)
        except TimeoutError:
            seen = {name: getattr(self, name) for name in ("text", "popups", "messages", "logs", "progress")}
            raise AssertionError(f"{what}: it never came to be. {seen}") from None

    async def turn_ends(self, count=1):
        await self.until("the turn ends", lambda: sum(kind == "end" for kind, _ in self.progress) >= count)

    # ---- what the editor does

    def _remember(self):
        self.undo_steps.append(self.text)

    def _change(self, edits):
        """Edits of one text, told to the server as they are made, from the last to the first."""
        changes = []
        for start, end, new in sorted(edits, reverse=True):
            first, last = self._index(start), self._index(end)
            self.text = self.text[:first] + new + self.text[last:]
            place = lsp.Range(lsp.Position(*start), lsp.Position(*end))
            changes.append(lsp.TextDocumentContentChangePartial(range=place, text=new))
        self.version += 1
        document = lsp.VersionedTextDocumentIdentifier(version=self.version, uri=self.uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(document, changes))

    def _index(self, place):
        """The texts here are ASCII: every unit is a character."""
        line, character = place
        lines = self.text.split("\n")
        if line >= len(lines):
            return len(self.text)
        return sum(len(before) + 1 for before in lines[:line]) + min(character, len(lines[line]))

    def _listen(self):
        feature = self.client.feature

        async def manner(method, otherwise):
            how = self.manners.get(method)
            if how == "refuse":
                raise NotImplementedError(method)
            if how == "silent":
                await self.leaving.wait()
                return None
            return otherwise() if how is None else how

        @feature(lsp.WINDOW_SHOW_MESSAGE_REQUEST)
        async def ask(params):
            self.popups.append(params.message)
            chosen = next((title for words, title in self.answers.items() if words in params.message), None)
            chosen = next((action for action in params.actions if action.title == chosen), None)
            return await manner(lsp.WINDOW_SHOW_MESSAGE_REQUEST, lambda: chosen)

        @feature(lsp.WORKSPACE_APPLY_EDIT)
        async def edit(params):
            def make():
                if params.edit.document_changes:
                    (change,) = params.edit.document_changes
                    if (change.text_document.uri, change.text_document.version) != (self.uri, self.version):
                        return lsp.ApplyWorkspaceEditResult(applied=False, failure_reason="another version")
                    edits = change.edits
                else:
                    edits = params.edit.changes[self.uri]
                self._remember()
                place = lambda position: (position.line, position.character)
                self._change([(place(e.range.start), place(e.range.end), e.new_text) for e in edits])
                return lsp.ApplyWorkspaceEditResult(applied=True)

            return await manner(lsp.WORKSPACE_APPLY_EDIT, make)

        @feature(lsp.WINDOW_SHOW_DOCUMENT)
        async def show(params):
            self.documents.append(params.uri)
            return await manner(lsp.WINDOW_SHOW_DOCUMENT, lambda: lsp.ShowDocumentResult(success=True))

        @feature(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE)
        async def create(params):
            self.token = params.token
            return await manner(lsp.WINDOW_WORK_DONE_PROGRESS_CREATE, lambda: None)

        @feature(lsp.PROGRESS)
        def progress(params):
            value = params.value if isinstance(params.value, dict) else vars(params.value)
            self.progress.append((value["kind"], value.get("message")))

        @feature(lsp.WORKSPACE_CONFIGURATION)
        def configuration(params):
            return [None for _ in params.items]

        @feature(lsp.WINDOW_SHOW_MESSAGE)
        def message(params):
            self.messages.append(params.message)

        @feature(lsp.WINDOW_LOG_MESSAGE)
        def log(params):
            self.logs.append(params.message)
