// @vitest-environment node
import { describe, expect, it } from "vitest";
import { History, TILE } from "../../src/mask/history";
import { PROTECT, REMOVE } from "../../src/mask/labels";
import { Painting } from "../../src/mask/painting";
import { expectSame } from "../bytes";
import { random } from "../random";

describe("undo and redo", () => {
  it("give each state back to the byte, whatever was done between them", () => {
    const next = random(3);
    const [width, height] = [TILE + 70, TILE * 2 + 9];
    const painting = new Painting(width, height);
    const states = [painting.data.slice()];
    const spot = () => ({ x: next() * width, y: next() * height });
    for (let step = 0; step < 25; step++) {
      const label = step % 3 === 2 ? PROTECT : REMOVE;
      if (step % 5 === 4) painting.lasso([spot(), spot(), spot(), spot()], label);
      else if (step % 7 === 6) painting.invert(label);
      else {
        painting.stroke(spot(), spot(), next() * 60 + 1, label);
        painting.commit();
      }
      states.push(painting.data.slice());
    }
    for (let i = states.length - 2; i >= 0; i--) {
      painting.undo();
      expectSame(painting.data, states[i]!);
    }
    expect(painting.canUndo).toBe(false);
    expect(painting.count(REMOVE)).toBe(0);
    for (const state of states.slice(1)) {
      painting.redo();
      expectSame(painting.data, state);
    }
    expect(painting.canRedo).toBe(false);
  });

  it("forget what was undone once something new is done", () => {
    const painting = new Painting(20, 20);
    painting.rectangle({ x0: 0, y0: 0, x1: 5, y1: 5 }, REMOVE);
    painting.undo();
    expect(painting.canRedo).toBe(true);
    painting.rectangle({ x0: 9, y0: 9, x1: 12, y1: 12 }, REMOVE);
    expect(painting.canRedo).toBe(false);
  });

  it("have no step for what changed nothing", () => {
    const painting = new Painting(20, 20);
    painting.clear();
    expect(painting.canUndo).toBe(false);
  });

  it("leave no trace of a stroke that is abandoned", () => {
    const painting = new Painting(20, 20);
    painting.stroke({ x: 5, y: 5 }, { x: 15, y: 15 }, 4, REMOVE);
    painting.abandon();
    painting.commit();
    expect(painting.data.some(Boolean)).toBe(false);
    expect(painting.canUndo).toBe(false);
  });

  it("keep to their memory by forgetting the oldest steps", () => {
    const data = new Uint8Array(64 * 64);
    const history = new History(data, 64, 64, 20_000);
    const next = random(4);
    for (let step = 0; step < 50; step++) {
      history.touch({ x0: 0, y0: 0, x1: 64, y1: 64 });
      for (let i = 0; i < 100; i++) data[Math.floor(next() * data.length)] = i & 1;
      history.commit();
    }
    expect(history.bytes).toBeLessThanOrEqual(20_000);
    expect(history.canUndo).toBe(true);
  });
});
