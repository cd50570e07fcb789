// What a case says of what it sees.

let failures = 0;
let passed = 0;

export const counts = () => ({ passed, failures });

export function check(what, ok, detail = "") {
  if (ok) {
    passed += 1;
    console.log(`   ok  ${what}`);
  } else {
    throw new Error(`${what}${detail === "" ? "" : `: ${detail}`}`);
  }
}

export function fail(error) {
  failures += 1;
  console.log(`   FAILED  ${error instanceof Error ? error.message : String(error)}`);
}

export function equal(what, is, expected) {
  check(what, is === expected, `it is ${JSON.stringify(is)}, not ${JSON.stringify(expected)}`);
}

/** Generous, for a machine that does many things at once. */
export const LIMIT_MS = Number(process.env.LIMIT_MS ?? 30_000);

/** Asks again until the answer is something, and gives it. */
export async function wait(what, ask, limit = LIMIT_MS) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    if (Date.now() > end) {
      throw new Error(`waited in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

export async function eventually(what, ask) {
  await wait(what, ask);
  check(what, true);
}
