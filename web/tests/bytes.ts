import { expect } from "vitest";

/** Expect two arrays of bytes to be the same; `toEqual` takes a minute for a mask. */
export function expectSame(got: Uint8Array, expected: Uint8Array): void {
  expect(got.length).toBe(expected.length);
  expect(got.findIndex((value, i) => value !== expected[i])).toBe(-1);
}
