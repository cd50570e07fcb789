// Numbers as people read them.

import type { Cost, Usage } from "../src/protocol";

export function tokens(count: number): string {
  if (count < 1000) {
    return String(count);
  }
  return count < 999_500 ? `${short(count / 1000)}k` : `${short(count / 1_000_000)}M`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1).replace(/\.0$/, "") : value.toFixed(0);
}

export function bytes(count: number): string {
  return count < 1000 ? `${count} B` : count < 1e6 ? `${short(count / 1e3)} kB` : `${short(count / 1e6)} MB`;
}

export function money({ nanoDollars, atLeast }: Cost): string {
  const dollars = nanoDollars / 1e9;
  const digits = dollars >= 1 || dollars === 0 ? 2 : dollars >= 0.01 ? 3 : 4;
  return `${atLeast === true ? "at least " : ""}$${dollars.toFixed(digits)}`;
}

/** Seconds, from a tenth to hours. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 60) {
    return `${seconds.toFixed(0)} s`;
  }
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** All that a model was given, cached or not. */
export function tokensIn(usage: Usage): number | undefined {
  const { inputTokens, cacheReadTokens, cacheWriteTokens } = usage;
  if (inputTokens === undefined && cacheReadTokens === undefined && cacheWriteTokens === undefined) {
    return undefined;
  }
  return (inputTokens ?? 0) + (cacheReadTokens ?? 0) + (cacheWriteTokens ?? 0);
}

/** `12k in, 340 out, $0.012`; empty if nothing is known. */
export function usageLine(usage: Usage): string {
  const given = tokensIn(usage);
  const parts = [
    given === undefined ? undefined : `${tokens(given)} in`,
    usage.outputTokens === undefined ? undefined : `${tokens(usage.outputTokens)} out`,
    usage.cost === undefined ? undefined : money(usage.cost),
  ];
  return parts.filter((part) => part !== undefined).join(" · ");
}

/** The same in full, a line for each kind of token. */
export function usageDetails(usage: Usage): string {
  const line = (name: string, count: number | undefined) =>
    count === undefined ? undefined : `${name}: ${count.toLocaleString()}`;
  const lines = [
    line("Input tokens", usage.inputTokens),
    line("Read from the cache", usage.cacheReadTokens),
    line("Written to the cache", usage.cacheWriteTokens),
    line("Output tokens", usage.outputTokens),
    line("of which reasoning", usage.reasoningTokens),
    usage.cost === undefined ? "Cost: not known" : `Cost: ${money(usage.cost)}`,
  ];
  return lines.filter((one) => one !== undefined).join("\n");
}

export function added(left: Usage, right: Usage): Usage {
  const sum: Usage = {};
  for (const key of [
    "inputTokens",
    "cacheReadTokens",
    "cacheWriteTokens",
    "outputTokens",
    "reasoningTokens",
  ] as const) {
    if (left[key] !== undefined || right[key] !== undefined) {
      sum[key] = (left[key] ?? 0) + (right[key] ?? 0);
    }
  }
  if (left.cost !== undefined || right.cost !== undefined) {
    const isPartial = [left, right].some(
      (usage) => usage.cost?.atLeast === true || (usage.cost === undefined && tokensIn(usage) !== undefined),
    );
    const nanoDollars = (left.cost?.nanoDollars ?? 0) + (right.cost?.nanoDollars ?? 0);
    sum.cost = isPartial ? { nanoDollars, atLeast: true } : { nanoDollars };
  }
  return sum;
}

/** The last part of a path, and the URI's of an untitled buffer. */
export function baseName(path: string): string {
  return path.split(/[\\/:]/).findLast((part) => part !== "") ?? path;
}
