// @vitest-environment node
import { describe, expect, it } from "vitest";
import { KEEP, type Point, PROTECT, REMOVE } from "../../src/mask/labels";
import { Painting } from "../../src/mask/painting";
import { expectSame } from "../bytes";
import { random } from "../random";

/** Distance of a point to a way between two others. */
function away(p: Point, a: Point, b: Point): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const long = dx * dx + dy * dy;
  const t = long ? Math.min(Math.max(((p.x - a.x) * dx + (p.y - a.y) * dy) / long, 0), 1) : 0;
  return Math.hypot(p.x - a.x - t * dx, p.y - a.y - t * dy);
}

function inside(p: Point, corners: Point[]): boolean {
  let odd = false;
  for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
    const [a, b] = [corners[i]!, corners[j]!];
    if (a.y > p.y !== b.y > p.y && p.x < ((b.x - a.x) * (p.y - a.y)) / (b.y - a.y) + a.x) {
      odd = !odd;
    }
  }
  return odd;
}

describe("a brush", () => {
  it("marks the pixels whose centre is within its radius of its way, and no others", () => {
    const next = random(1);
    for (let round = 0; round < 60; round++) {
      const [width, height] = [70, 50];
      const painting = new Painting(width, height);
      const spot = () => ({ x: next() * 90 - 10, y: next() * 70 - 10 });
      const [from, to, radius] = [spot(), round % 7 ? spot() : null, 0.5 + next() * 20];
      const end = to ?? from;
      painting.stroke(from, end, radius, REMOVE);
      const wrong = [...painting.data.entries()].filter(([i, value]) => {
        const centre = { x: (i % width) + 0.5, y: Math.floor(i / width) + 0.5 };
        const distance = away(centre, from, end);
        // On the edge itself rounding may decide either way.
        if (Math.abs(distance - radius) < 1e-6) return false;
        return value !== (distance < radius ? REMOVE : KEEP);
      });
      expect(wrong).toEqual([]);
    }
  });

  it("says which area it has changed", () => {
    const painting = new Painting(40, 30);
    const areas: unknown[] = [];
    painting.onRedraw((area) => areas.push(area));
    painting.stroke({ x: 10, y: 10 }, { x: 12, y: 10 }, 3, REMOVE);
    expect(areas).toEqual([{ x0: 7, y0: 7, x1: 15, y1: 13 }]);
  });

  it("counts what is marked once its stroke is over", () => {
    const painting = new Painting(20, 10);
    painting.stroke({ x: 5, y: 5 }, { x: 5, y: 5 }, 1, REMOVE);
    expect(painting.count(REMOVE)).toBe(0);
    painting.commit();
    expect(painting.count(REMOVE)).toBe(4);
    expect(painting.share(REMOVE)).toBe(0.02);
  });
});

describe("a lasso", () => {
  it("fills the pixels whose centre its line goes round an odd number of times", () => {
    const next = random(2);
    for (let round = 0; round < 60; round++) {
      const [width, height] = [60, 40];
      const painting = new Painting(width, height);
      const corners = Array.from({ length: 3 + (round % 9) }, () => ({
        x: next() * 80 - 10,
        y: next() * 60 - 10,
      }));
      painting.lasso(corners, REMOVE);
      const wrong = [...painting.data.entries()].filter(([i, value]) => {
        const centre = { x: (i % width) + 0.5, y: Math.floor(i / width) + 0.5 };
        return value !== (inside(centre, corners) ? REMOVE : KEEP);
      });
      expect(wrong).toEqual([]);
    }
  });

  it("marks nothing with fewer than three corners", () => {
    const painting = new Painting(10, 10);
    painting.lasso(
      [
        { x: 1, y: 1 },
        { x: 8, y: 8 },
      ],
      REMOVE,
    );
    expect(painting.canUndo).toBe(false);
  });
});

describe("a painting", () => {
  it("fills a rectangle, as far as it is within the photo", () => {
    const painting = new Painting(8, 6);
    painting.rectangle({ x0: -4, y0: 2, x1: 3, y1: 99 }, PROTECT);
    expect(painting.count(PROTECT)).toBe(3 * 4);
    expect(painting.data[2 * 8]).toBe(PROTECT);
    expect(painting.data[2 * 8 + 3]).toBe(KEEP);
  });

  it("never has a pixel removed and protected at once", () => {
    const painting = new Painting(10, 10);
    painting.rectangle({ x0: 0, y0: 0, x1: 6, y1: 10 }, REMOVE);
    painting.rectangle({ x0: 4, y0: 0, x1: 10, y1: 10 }, PROTECT);
    expect(painting.count(REMOVE)).toBe(40);
    expect(painting.count(PROTECT)).toBe(60);
    const [remove, protect] = [painting.mask(REMOVE), painting.mask(PROTECT)];
    expect(remove.some((value, i) => value && protect[i])).toBe(false);
  });

  it("inverts one label and leaves the other alone", () => {
    const painting = new Painting(10, 10);
    painting.rectangle({ x0: 0, y0: 0, x1: 2, y1: 10 }, REMOVE);
    painting.rectangle({ x0: 8, y0: 0, x1: 10, y1: 10 }, PROTECT);
    painting.invert(REMOVE);
    expect(painting.count(REMOVE)).toBe(60);
    expect(painting.count(PROTECT)).toBe(20);
  });

  it("marks what a mask says, beside what there is or in its place", () => {
    const painting = new Painting(4, 1);
    painting.rectangle({ x0: 0, y0: 0, x1: 1, y1: 1 }, REMOVE);
    painting.mark(Uint8Array.of(0, 0, 127, 128), REMOVE);
    expect([...painting.data]).toEqual([1, 0, 0, 1]);
    painting.mark(Uint8Array.of(0, 255, 0, 0), REMOVE, true);
    expect([...painting.data]).toEqual([0, 1, 0, 0]);
    painting.mark(Uint8Array.of(0, 255, 255, 0), PROTECT, true, REMOVE);
    expect([...painting.data]).toEqual([0, 1, 2, 0]);
    expect(() => painting.mark(new Uint8Array(3), REMOVE)).toThrow("expected 4 pixels, got 3");
  });

  it("is the same after it was kept and restored", () => {
    const painting = new Painting(300, 200);
    painting.stroke({ x: 20, y: 20 }, { x: 250, y: 150 }, 17, REMOVE);
    painting.commit();
    const other = new Painting(300, 200);
    other.restore(painting.kept());
    expectSame(other.data, painting.data);
    expect(other.count(REMOVE)).toBe(painting.count(REMOVE));
    expect(() => new Painting(300, 201).restore(painting.kept())).toThrow("expected 60300 bytes");
  });
});

it("says which of some labels stands within an area", () => {
  const painting = new Painting(20, 10);
  painting.rectangle({ x0: 5, y0: 5, x1: 8, y1: 8 }, 3);
  const labels = new Set([2, 3]);
  expect(painting.firstIn({ x0: 7, y0: 7, x1: 12, y1: 9 }, labels)).toBe(3);
  expect(painting.firstIn({ x0: 8, y0: 5, x1: 12, y1: 9 }, labels)).toBe(KEEP);
  expect(painting.firstIn({ x0: -4, y0: -4, x1: 90, y1: 90 }, new Set([2]))).toBe(KEEP);
});
