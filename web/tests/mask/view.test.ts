// @vitest-environment node
import { describe, expect, it } from "vitest";
import { sample } from "../../src/mask/overlay";
import { firstSize, LARGEST, SMALLEST, stepped } from "../../src/mask/tools";
import { fitted, moved, onPhoto, zoomed } from "../../src/mask/view";

const photo = { width: 4000, height: 3000 };
const room = { width: 1000, height: 800 };

describe("a view", () => {
  it("shows all of a photo in the middle", () => {
    const view = fitted(photo, room, 0);
    expect(view).toEqual({ scale: 0.25, x: 0, y: 25 });
    expect(onPhoto(view, { x: 500, y: 400 })).toEqual({ x: 2000, y: 1500 });
  });

  it("keeps the point that it is zoomed about", () => {
    const about = { x: 320, y: 470 };
    let view = fitted(photo, room);
    const before = onPhoto(view, about);
    for (const factor of [1.7, 3, 0.6]) view = zoomed(view, factor, about, photo, room);
    const after = onPhoto(view, about);
    expect(after.x).toBeCloseTo(before.x, 6);
    expect(after.y).toBeCloseTo(before.y, 6);
  });

  it("never loses the photo from the canvas", () => {
    const view = moved(fitted(photo, room), 1e6, -1e6, photo, room);
    expect(view.x).toBe(room.width - 48);
    expect(view.y).toBe(48 - photo.height * view.scale);
  });
});

describe("the overlay", () => {
  const painting = { data: Uint8Array.of(0, 1, 1, 0), width: 2, height: 2 };
  const colours = [
    [0, 0, 0],
    [200, 100, 50],
  ] as const;
  const draw = (wide: number, step: number) => {
    const out = new Uint8ClampedArray(wide * wide * 4);
    const place = { x0: 0, y0: 0, wide, high: wide, step, left: 0, top: 0 };
    sample(painting, colours, -1, out, place);
    return Array.from({ length: wide * wide }, (_, i) => [...out.slice(i * 4, i * 4 + 4)]);
  };

  it("shows each pixel as a block where the photo is enlarged", () => {
    const marked = [200, 100, 50, 140];
    const none = [0, 0, 0, 0];
    expect(draw(4, 0.5)).toEqual(
      [0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0].map((one) => (one ? marked : none)),
    );
  });

  it("is half as dense over pixels that are half marked", () => {
    expect(draw(1, 2)).toEqual([[200, 100, 50, 70]]);
  });
});

describe("the brush's size", () => {
  it("changes with each step and keeps to its bounds", () => {
    expect(stepped(1, true)).toBe(2);
    expect(stepped(2, false)).toBe(1);
    expect(stepped(SMALLEST, false)).toBe(SMALLEST);
    expect(stepped(LARGEST, true)).toBe(LARGEST);
    expect(stepped(100, true)).toBe(120);
  });

  it("begins with a part of the photo's longer side", () => {
    expect(firstSize(photo)).toBe(133);
    expect(firstSize({ width: 64, height: 64 })).toBe(8);
  });
});
