// @vitest-environment node
import { encode } from "fast-png";
import { describe, expect, it } from "vitest";
import { foundMask } from "../../src/mask/found";
import { maskPng, readMask, separateMasks } from "../../src/mask/png";
import { expectSame } from "../bytes";
import { random } from "../random";

function noise(length: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length }, () => (next() < 0.5 ? 0 : 255));
}

function png(image: Parameters<typeof encode>[0]): Blob {
  return new Blob([encode(image) as BlobPart]);
}

describe("a mask's file", () => {
  it("gives the same pixels back, each of them", async () => {
    for (const [width, height] of [
      [1, 1],
      [7, 5],
      [641, 479],
    ] as const) {
      const mask = noise(width * height, width);
      const file = await maskPng(mask, width, height);
      expect(file.type).toBe("image/png");
      expectSame(await readMask(file, width, height), mask);
    }
  });

  it("is white where it is marked: >= 128 is, whatever the depth", async () => {
    const grey = png({ width: 4, height: 1, channels: 1, data: Uint8Array.of(0, 127, 128, 255) });
    expect([...(await readMask(grey, 4, 1))]).toEqual([0, 0, 255, 255]);
    const data = Uint16Array.of(0, 32_767, 32_768, 65_535);
    const deep = png({ width: 4, height: 1, channels: 1, depth: 16, data });
    expect([...(await readMask(deep, 4, 1))]).toEqual([0, 0, 255, 255]);
  });

  it("is what is painted where parts are transparent, and what is white where none is", async () => {
    const red = [200, 0, 0];
    const painted = Uint8Array.from([...red, 255, ...red, 0]);
    const file = png({ width: 2, height: 1, channels: 4, data: painted });
    expect([...(await readMask(file, 2, 1))]).toEqual([255, 0]);
    const whole = Uint8Array.from([255, 255, 255, 255, ...red, 255]);
    const opaque = png({ width: 2, height: 1, channels: 4, data: whole });
    expect([...(await readMask(opaque, 2, 1))]).toEqual([255, 0]);
  });

  it("is refused with what was expected: another size, another kind of file", async () => {
    const file = await maskPng(new Uint8Array(6), 3, 2);
    await expect(readMask(file, 4, 2)).rejects.toThrow("the photo's size, 4 × 2 px, got 3 × 2");
    await expect(readMask(new Blob(["GIF89a"]), 4, 2)).rejects.toThrow("expected a PNG file");
  });
});

it("what the server found comes as base64 and is read as a mask", async () => {
  const bytes = new Uint8Array(await (await maskPng(noise(12, 9), 4, 3)).arrayBuffer());
  const mask = btoa(String.fromCharCode(...bytes));
  const found = { phrase: null, score: 0.9, share: 0.5, mask };
  expectSame(await foundMask(found, 4, 3), noise(12, 9));
});

it("labels of one file are parted into a mask each, in their order", async () => {
  const labels = png({ width: 4, height: 1, channels: 1, data: Uint8Array.of(2, 0, 1, 2) });
  const { masks, width, height } = await separateMasks(labels);
  expect([width, height]).toEqual([4, 1]);
  expect(masks.map((mask) => [...mask])).toEqual([
    [0, 0, 255, 0],
    [255, 0, 0, 255],
  ]);
});
