// What went wrong, as the server and Node tell it.

/** There is no such session, turn or approval. */
const NO_SUCH = -32001;
/** Something has to be configured first. */
const NOT_CONFIGURED = -32004;

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether the server does not have what was asked for. */
export function isGone(error: unknown): boolean {
  return codeOf(error) === NO_SUCH;
}

export function isNotConfigured(error: unknown): boolean {
  return codeOf(error) === NOT_CONFIGURED;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
