// Keys of providers: kept in VS Code's secret storage, and given to the server in its environment, which no other
// program sees and which its own children do not get.

import * as vscode from "vscode";

const PROVIDERS: Record<string, string> = {
  Anthropic: "ANTHROPIC_API_KEY",
  OpenAI: "OPENAI_API_KEY",
  Gemini: "GEMINI_API_KEY",
  OpenRouter: "OPENROUTER_API_KEY",
  DeepSeek: "DEEPSEEK_API_KEY",
  Mistral: "MISTRAL_API_KEY",
  Groq: "GROQ_API_KEY",
  xAI: "XAI_API_KEY",
};

const slot = (variable: string) => `pillion.key.${variable}`;

/** What the server's environment gets beside the editor's own. */
export async function environment(secrets: vscode.SecretStorage): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const variable of Object.values(PROVIDERS)) {
    const key = await secrets.get(slot(variable));
    if (key !== undefined) {
      found[variable] = key;
    }
  }
  return found;
}

/** Asks for a key and keeps it; an empty one is forgotten. True if something changed. */
export async function setKey(secrets: vscode.SecretStorage): Promise<boolean> {
  const provider = await vscode.window.showQuickPick(Object.keys(PROVIDERS), { title: "Pillion: whose key?" });
  const variable = provider === undefined ? undefined : PROVIDERS[provider];
  if (variable === undefined) {
    return false;
  }
  const key = await vscode.window.showInputBox({
    title: `Pillion: key of ${provider}`,
    prompt: "Kept in VS Code's secret storage. Leave it empty to forget the one that is kept.",
    password: true,
    ignoreFocusOut: true,
  });
  if (key === undefined) {
    return false;
  }
  await (key.trim() === "" ? secrets.delete(slot(variable)) : secrets.store(slot(variable), key.trim()));
  return true;
}
