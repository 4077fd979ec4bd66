import { expect, it } from "vitest";
import type { Candidate } from "../../src/api/types";
import { families, nextPair, searchOf } from "../../src/state/candidates";
import { NO_CHOICES, searchParameters } from "../../src/state/choices";
import { version } from "../version";

function candidate(number: number, parent: number | null = null, error: string | null = null) {
  return { number, parent, error } as Candidate;
}

it("families have their children, whatever parents they name", () => {
  const all = [candidate(4, 1), candidate(3, 1), candidate(1), candidate(0), candidate(5, 9)];
  const looped = [...all, candidate(6, 6), candidate(7, 8)];
  expect(
    families(looped).map(({ parent, children }) => [
      parent.number,
      children.map((one) => one.number),
    ]),
  ).toEqual([
    [1, [3, 4]],
    [0, []],
    [5, []],
    [6, []],
    [7, []],
  ]);
});

it("each pair comes once, left and right by chance, without those that failed", () => {
  const all = [candidate(0), candidate(1, null, "no memory"), candidate(2), candidate(3)];
  const had: { left: number; right: number }[] = [];
  for (let draw = nextPair(all, had); draw; draw = nextPair(all, had)) {
    had.push({ left: draw[0], right: draw[1] });
  }
  const pairs = had.map(({ left, right }) => [left, right].sort().join(" "));
  expect(pairs.sort()).toEqual(["0 2", "0 3", "2 3"]);
  const orders = [0.1, 0.9].map((second) => {
    const given = [0.5, second];
    return nextPair(all, [], () => given.shift()!);
  });
  expect(orders).toEqual([
    [0, 3],
    [3, 0],
  ]);
});

it("a report that is none has no candidates", () => {
  for (const report of [null, {}, { candidates: "x", sheet: 3 }, { sheet: { columns: 0 } }]) {
    const found = searchOf(version({ kind: "search", report }));
    expect(found).toEqual({ candidates: [], sheet: null, picture: null, best: null });
  }
});

it("judges elsewhere are asked only where there are some and somebody agreed", () => {
  const agreed = { ...NO_CHOICES, remoteJudges: true, preset: "photoreal" as const, seed: "7" };
  expect(searchParameters(agreed, false, true)).toEqual({
    preset: "photoreal",
    seed: 7,
    remote: true,
  });
  expect(searchParameters(agreed, false, false)).toEqual({ preset: "photoreal", seed: 7 });
  expect(searchParameters(NO_CHOICES, false, true)).toEqual({ preset: "eacps" });
});
