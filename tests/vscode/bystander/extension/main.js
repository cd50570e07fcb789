// What the tests need other extensions for: a test that fails, and a symbol.

const vscode = require("vscode");

exports.activate = ({ subscriptions }) => {
  const placeOf = (file, line) => {
    const uri = vscode.Uri.joinPath(vscode.workspace.workspaceFolders[0].uri, file);
    return new vscode.Location(uri, new vscode.Range(line, 0, line, 20));
  };

  const tests = vscode.tests.createTestController("bystander", "Bystander");
  const { uri, range } = placeOf("sum.txt", 1);
  const test = tests.createTestItem("sum", "it adds up", uri);
  test.range = range;
  tests.items.add(test);
  const play = (request) => {
    const run = tests.createTestRun(request);
    run.started(test);
    const message = vscode.TestMessage.diff("the sum is wrong", "four", "five");
    message.location = new vscode.Location(uri, range);
    run.failed(test, message);
    run.end();
  };
  tests.createRunProfile("Run", vscode.TestRunProfileKind.Run, play, true);

  const symbols = {
    provideWorkspaceSymbols: (query) =>
      "greet_person".startsWith(query)
        ? [new vscode.SymbolInformation("greet_person", vscode.SymbolKind.Function, "", placeOf("greet.txt", 2))]
        : [],
  };
  subscriptions.push(tests, vscode.languages.registerWorkspaceSymbolProvider(symbols));
};
