// @vitest-environment node
import { expect, it } from "vitest";
import { fromRuns, toRuns } from "../../src/mask/runs";
import { expectSame } from "../bytes";
import { random } from "../random";

it("bytes are the same after a way through runs", () => {
  const next = random(5);
  for (const length of [0, 1, 65_535, 65_536, 200_001]) {
    for (const changes of [0, 3, 1_000]) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < changes; i++) {
        const start = Math.floor(next() * length);
        bytes.fill(Math.floor(next() * 17), start, start + Math.floor(next() * 500));
      }
      expectSame(fromRuns(toRuns(bytes), length), bytes);
    }
  }
});

it("an empty mask of 12 MP takes under a kilobyte", () => {
  expect(toRuns(new Uint8Array(12_000_000)).length).toBeLessThan(1_000);
});

it("runs of another length are refused", () => {
  const runs = toRuns(new Uint8Array(100));
  expect(() => fromRuns(runs, 99)).toThrow("expected 99 bytes, got more");
  expect(() => fromRuns(runs, 101)).toThrow("expected 101 bytes, got 100");
});
