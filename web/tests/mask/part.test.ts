// @vitest-environment node
import { expect, it } from "vitest";
import { partMasks, partProblem } from "../../src/components/refine/usePart";
import { Painting } from "../../src/mask/painting";
import { readMask } from "../../src/mask/png";

it("a painted part is one mask of the picture's size; all of it is none", async () => {
  const painting = new Painting(8, 6);
  expect(partProblem({ only: true, painting })).toBe(
    "Paint over what may change, or change all of it.",
  );
  expect(await partMasks({ only: false, painting })).toEqual([]);
  painting.rectangle({ x0: 2, y0: 1, x1: 5, y1: 4 }, 1);
  expect(partProblem({ only: true, painting })).toBeNull();
  const [mask, ...more] = await partMasks({ only: true, painting });
  expect(more).toEqual([]);
  const pixels = await readMask(mask!, 8, 6);
  expect(pixels.reduce((sum, one) => sum + (one ? 1 : 0), 0)).toBe(9);
});
