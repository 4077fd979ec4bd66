// Masks as PNG files, pixel for pixel: no canvas in between, which may change values.

import type { DecodedPng } from "fast-png";

/** Return a mask UINT8 [height * width] as a grey PNG of 8 bits: white = marked. */
export async function maskPng(mask: Uint8Array, width: number, height: number): Promise<Blob> {
  const { encode } = await import("fast-png");
  const file = encode({ width, height, data: mask, channels: 1, depth: 8 }, { zlib: { level: 4 } });
  return new Blob([file as BlobPart], { type: "image/png" });
}

/** Return masks as `maskPng` does, in their order: one after another, each is as large as the photo. */
export async function maskPngs(
  masks: Iterable<Uint8Array>,
  width: number,
  height: number,
): Promise<Blob[]> {
  const files: Blob[] = [];
  for (const mask of masks) files.push(await maskPng(mask, width, height));
  return files;
}

/** Return a PNG's mask UINT8 [height * width], 255 = marked.
 *
 * White is marked; of a picture with transparent parts, what is painted.
 *
 * @throws Error that says what was expected, for another size and for what is no PNG.
 */
export async function readMask(file: Blob, width: number, height: number): Promise<Uint8Array> {
  const { decode } = await import("fast-png");
  let png: DecodedPng;
  try {
    png = decode(new Uint8Array(await file.arrayBuffer()));
  } catch {
    throw new Error("mask: expected a PNG file, got another kind or a broken one");
  }
  if (png.width !== width || png.height !== height) {
    const got = `${png.width} × ${png.height}`;
    throw new Error(`mask: expected the photo's size, ${width} × ${height} px, got ${got}`);
  }
  return marked(png);
}

/** Return the masks of a grey PNG whose pixels are labels: 1 for the first, 2 for the second.
 *
 * @throws Error for a file of another kind.
 */
export async function separateMasks(
  file: Blob,
): Promise<{ masks: Uint8Array[]; width: number; height: number }> {
  const { decode } = await import("fast-png");
  const { data, width, height, channels, depth } = decode(new Uint8Array(await file.arrayBuffer()));
  if (channels !== 1 || depth !== 8) throw new Error("masks: expected a grey PNG of 8 bits");
  const masks: Uint8Array[] = [];
  for (const [i, label] of data.entries()) {
    if (!label) continue;
    while (masks.length < label) masks.push(new Uint8Array(width * height));
    masks[label - 1]![i] = 255;
  }
  return { masks, width, height };
}

function marked(png: DecodedPng): Uint8Array {
  const { width, height, channels, depth, palette } = png;
  const pixels = width * height;
  const out = new Uint8Array(pixels);
  const middle = 2 ** (depth - 1);
  if (palette) {
    const bits = depth;
    const stride = Math.ceil((width * bits) / 8);
    for (let i = 0; i < pixels; i++) {
      const index = bitsAt(png.data, Math.floor(i / width) * stride, i % width, bits);
      const [r = 0, g = 0, b = 0] = palette[index] ?? [];
      out[i] = grey(r, g, b) >= 128 ? 255 : 0;
    }
    return out;
  }
  if (depth < 8) {
    const stride = Math.ceil((width * depth) / 8);
    for (let i = 0; i < pixels; i++) {
      const value = bitsAt(png.data, Math.floor(i / width) * stride, i % width, depth);
      out[i] = value >= middle ? 255 : 0;
    }
    return out;
  }
  const alphaAt = channels === 2 || channels === 4 ? channels - 1 : -1;
  let seeThrough = false;
  if (alphaAt >= 0) {
    for (let i = alphaAt; i < png.data.length && !seeThrough; i += channels) {
      seeThrough = png.data[i]! < middle;
    }
  }
  for (let i = 0; i < pixels; i++) {
    const at = i * channels;
    const value = seeThrough
      ? png.data[at + alphaAt]!
      : channels > 2
        ? grey(png.data[at]!, png.data[at + 1]!, png.data[at + 2]!)
        : png.data[at]!;
    out[i] = value >= middle ? 255 : 0;
  }
  return out;
}

function bitsAt(data: DecodedPng["data"], start: number, x: number, bits: number): number {
  const first = x * bits;
  const shift = 8 - bits - (first % 8);
  return (data[start + (first >> 3)]! >> shift) & (2 ** bits - 1);
}

function grey(r: number, g: number, b: number): number {
  return 0.299 * r + 0.587 * g + 0.114 * b;
}
