// What a diff's hunks do to a text, and which of them a text has.

import type { Hunk } from "./protocol";

/** Where a hunk stands in the lines of the text before, and what it puts there. */
interface Piece {
  start: number;
  old: string[];
  fresh: string[];
}

/**
 * The hunks where their old lines stand in `text`, which may have been changed since the diff was made. Nothing if one of
 * them stands nowhere any more, or it cannot be told where.
 */
export function fitted(text: string, hunks: Hunk[]): Hunk[] | undefined {
  const lines = linesOf(text).map(bare);
  let moved = 0;
  const found: Hunk[] = [];
  for (const hunk of hunks) {
    const old = oldLinesOf(hunk);
    const places = old.length === 0 ? [lines.length] : lines.flatMap((_, at) => (standsAt(lines, at, old) ? [at] : []));
    const start = startOf(hunk);
    // Where it was, moved as the one before it was, it is taken for the same even if there are others like it.
    const at = [start + moved, ...(places.length === 1 ? places : [])].find((place) => places.includes(place));
    const last = found.at(-1);
    if (at === undefined || (last !== undefined && at < startOf(last) + last.oldLines)) {
      return undefined;
    }
    moved = at - start;
    found.push({ ...hunk, oldStart: hunk.oldStart + moved });
  }
  return found;
}

/** The old lines of the hunks alone, and the hunks where they stand in them: for a text that they do not fit. */
export function alone(hunks: Hunk[]): { text: string; hunks: Hunk[] } {
  const lines: string[] = [];
  const moved = hunks.map((hunk) => {
    const oldStart = lines.length + (hunk.oldLines === 0 ? 0 : 1);
    lines.push(...oldLinesOf(hunk));
    return { ...hunk, oldStart };
  });
  return { text: lines.map((line) => `${line}\n`).join(""), hunks: moved };
}

/** The text with all of the hunks, or with some of them. */
export function withHunks(before: string, hunks: Hunk[], chosen?: ReadonlySet<number>): string {
  const lines = linesOf(before);
  const wanted = pieces(lines, hunks).filter((_, index) => chosen === undefined || chosen.has(index));
  for (const { start, old, fresh } of wanted.toReversed()) {
    lines.splice(start, old.length, ...fresh);
  }
  return lines.join("");
}

/** Where the hunks stand in `text`, and which of them it has; nothing if anything else was changed too. */
export interface Reading {
  taken: Set<number>;
  /** For each hunk the first line, from 0, of what it changes. */
  lines: number[];
}

export function readHunks(before: string, hunks: Hunk[], text: string): Reading | undefined {
  const lines = linesOf(before);
  const all = pieces(lines, hunks);
  const now = linesOf(text);
  const gap = (index: number) => {
    const last = all[index - 1];
    return lines.slice(last === undefined ? 0 : last.start + last.old.length, all[index]?.start);
  };
  const dead = new Set<string>();
  /** Reads on at line `at` of the text, from the gap before hunk `index` on; the ways the hunks were taken. */
  const read = (index: number, at: number): { taken: boolean; line: number }[] | undefined => {
    const key = `${index}:${at}`;
    const between = gap(index);
    if (dead.has(key) || !standsAt(now, at, between)) {
      return undefined;
    }
    const piece = all[index];
    const here = at + between.length;
    if (piece === undefined) {
      return here === now.length ? [] : undefined;
    }
    for (const [taken, side] of [[true, piece.fresh] as const, [false, piece.old] as const]) {
      const rest = standsAt(now, here, side) ? read(index + 1, here + side.length) : undefined;
      if (rest !== undefined) {
        return [{ taken, line: here + common(piece.old, piece.fresh) }, ...rest];
      }
    }
    dead.add(key);
    return undefined;
  };
  const found = read(0, 0);
  return (
    found && {
      taken: new Set(found.flatMap(({ taken }, index) => (taken ? [index] : []))),
      lines: found.map(({ line }) => line),
    }
  );
}

/** What makes `after` of `before`: one piece of text, with as many lines around it as make it stand there only once. */
export function replacement(before: string, after: string): { old: string; new: string } {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  let start = common(old, fresh);
  let end = common(old.slice(start).reverse(), fresh.slice(start).reverse());
  const piece = (lines: string[]) => lines.slice(start, lines.length - end).join("");
  const isUnique = () => {
    const text = piece(old);
    return text !== "" && before.indexOf(text) === before.lastIndexOf(text);
  };
  while ((start > 0 || end > 0) && !isUnique()) {
    start = Math.max(0, start - 1);
    end = Math.max(0, end - 1);
  }
  return { old: piece(old), new: piece(fresh) };
}

function pieces(lines: string[], hunks: Hunk[]): Piece[] {
  const end = lines[0]?.endsWith("\r\n") ? "\r\n" : "\n";
  return hunks.map((hunk) => {
    const start = startOf(hunk);
    const shown = hunk.text.split("\n");
    const fresh = shown.flatMap((line, index) => {
      if (!line.startsWith("+") && !line.startsWith(" ")) {
        return [];
      }
      // A line that begins with a backslash says that the one before it has no end.
      return [line.slice(1).replace(/\r$/, "") + (shown[index + 1]?.startsWith("\\") ? "" : end)];
    });
    return { start, old: lines.slice(start, start + hunk.oldLines), fresh };
  });
}

/** How many lines stand before it. In a diff's header, a hunk without old lines names the line before it. */
function startOf({ oldStart, oldLines }: Hunk): number {
  return oldLines === 0 ? oldStart : oldStart - 1;
}

/** Without their ends. */
function oldLinesOf({ text }: Hunk): string[] {
  const lines = text.split("\n").filter((line) => line.startsWith("-") || line.startsWith(" "));
  return lines.map((line) => bare(line.slice(1)));
}

function bare(line: string): string {
  return line.replace(/[\r\n]+$/, "");
}

/** Lines with their ends. */
function linesOf(text: string): string[] {
  return text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [];
}

function standsAt(lines: string[], at: number, part: string[]): boolean {
  return at + part.length <= lines.length && part.every((line, index) => lines[at + index] === line);
}

/** How many lines both begin with. */
function common(left: string[], right: string[]): number {
  const differs = left.findIndex((line, index) => line !== right[index]);
  return differs === -1 ? left.length : differs;
}
