// The candidates of a search: read off a report, put beside their parents, drawn two by two.

import type { Candidate, Compared, Report, Sheet, Version } from "../api/types";

export interface Search {
  candidates: readonly Candidate[];
  sheet: Sheet | null;
  /** The picture in which they lie. */
  picture: string | null;
  /** Those that the picture shows; all of them where it says nothing. */
  drawn?: readonly number[];
  /** Number of the one that won; null: that is not decided yet. */
  best: number | null;
}

/** A candidate of the first stage with those that started from it. */
export interface Family {
  parent: Candidate;
  children: Candidate[];
}

/** Whether a version is the best of many candidates. */
export function isSearch({ kind }: Version): boolean {
  return kind === "search" || kind === "swap";
}

/** Return what a completed search has found. */
export function searchOf(version: Version): Search {
  const report = version.report ?? {};
  return {
    candidates: list(report.candidates).map(candidateOf),
    sheet: sheetOf(report),
    picture: version.links.candidates ?? null,
    best: typeof report.best === "number" ? report.best : null,
  };
}

function candidateOf(one: Record<string, unknown>): Candidate {
  const scores = Object.entries((one.scores ?? {}) as Record<string, unknown>);
  return {
    number: Number(one.number),
    phase: String(one.phase),
    parent: typeof one.parent === "number" ? one.parent : null,
    seed: Number(one.seed),
    variation: String(one.variation),
    scores: Object.fromEntries(scores.map(([axis, score]) => [axis, Number(score)])),
    potential: typeof one.potential === "number" ? one.potential : null,
    aboveFloor: one.above_floor !== false,
    keepsIdentity: one.keeps_identity !== false,
    error: typeof one.error === "string" ? one.error : null,
  };
}

function sheetOf(report: Report): Sheet | null {
  const sheet = report.sheet as Partial<Sheet> | undefined;
  const whole = [sheet?.planned, sheet?.columns, sheet?.rows, sheet?.ratio];
  return whole.every((one) => typeof one === "number" && one > 0) ? (sheet as Sheet) : null;
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter((one) => !!one && typeof one === "object") : [];
}

/** Return candidates with their children, those that have some first; a child whose parent is not
 * among them stands for itself. */
export function families(candidates: readonly Candidate[]): Family[] {
  const sorted = [...candidates].sort((one, other) => one.number - other.number);
  const numbers = new Set(sorted.map((one) => one.number));
  const isChild = ({ parent, number }: Candidate) =>
    parent !== null && numbers.has(parent) && parent < number;
  const all = sorted
    .filter((one) => !isChild(one))
    .map((parent) => ({
      parent,
      children: sorted.filter((one) => isChild(one) && one.parent === parent.number),
    }));
  return [
    ...all.filter((one) => one.children.length),
    ...all.filter((one) => !one.children.length),
  ];
}

/** Return two candidates that were not compared yet, in an order that tells nothing; null: there
 * are none.
 *
 * @param random from 0 to under 1, as Math.random.
 */
export function nextPair(
  candidates: readonly Candidate[],
  compared: readonly Pick<Compared, "left" | "right">[],
  random: () => number = Math.random,
): [number, number] | null {
  const numbers = candidates.filter((one) => one.error === null).map((one) => one.number);
  const key = (left: number, right: number) => `${Math.min(left, right)} ${Math.max(left, right)}`;
  const had = new Set(compared.map((one) => key(one.left, one.right)));
  const pairs = numbers
    .flatMap((left, place) => numbers.slice(place + 1).map((right) => [left, right] as const))
    .filter(([left, right]) => !had.has(key(left, right)));
  const pair = pairs[Math.floor(random() * pairs.length)];
  if (!pair) return null;
  return random() < 0.5 ? [pair[0], pair[1]] : [pair[1], pair[0]];
}
