// What a case says of what it sees.

import { isDeepStrictEqual } from "node:util";

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

/** Generous, for a machine that does many things at once. */
export const LIMIT_MS = Number(process.env.LIMIT_MS ?? 60_000);
/** After this long in vain, something that may have been missed is done again. */
export const AGAIN_MS = 10_000;

/** For what is certain by now: that something did not happen is known once what follows it has. */
export function equal(what, is, expected) {
  check(what, is === expected, `it is ${JSON.stringify(is)}, not ${JSON.stringify(expected)}`);
}

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

/** Asks again until the answer is this one. */
export async function becomes(what, ask, expected) {
  let is;
  await wait(what, async () => {
    is = await ask();
    return isDeepStrictEqual(is, expected);
  }).catch(() => {
    throw new Error(`${what}: it is ${JSON.stringify(is)}, not ${JSON.stringify(expected)}`);
  });
  check(what, true);
}

/** Does something, and does it again whenever what comes of it stays away: a click may hit what is just made anew. */
export async function insist(what, act, ask) {
  await wait(what, async () => {
    await act();
    return wait(what, ask, AGAIN_MS).catch(() => undefined);
  });
}
