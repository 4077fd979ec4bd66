import { fireEvent, render, screen } from "@testing-library/react";
import { afterEach, expect, it, vi } from "vitest";
import { MOST_REGIONS } from "../../src/api/payloads";
import { REGION_COLOURS } from "../../src/components/refine/colours";
import { RegionTab } from "../../src/components/refine/RegionTab";
import type { Photo } from "../../src/state/photo";
import { version } from "../version";

afterEach(() => void vi.unstubAllGlobals());

// As far apart as no two of them are taken for one another over a photo, of 0 to 441.
const APART = 60;

it("every region that may be has a colour of its own", () => {
  const colours = REGION_COLOURS.slice(1);
  expect(colours).toHaveLength(MOST_REGIONS);
  for (const [at, a] of colours.entries()) {
    for (const b of colours.slice(0, at)) {
      expect(Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2])).toBeGreaterThan(APART);
    }
  }
});

it("where all regions are taken, nothing is drawn that would be one more", () => {
  // No canvas is drawn here: the room for it is never known.
  vi.stubGlobal(
    "ResizeObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  const bitmap = { width: 400, height: 300, close() {} } as ImageBitmap;
  const photo: Photo = {
    name: "dog.jpg",
    width: 400,
    height: 300,
    whole: bitmap,
    shown: bitmap,
    file: null,
  };
  const of = { runId: "0a.me", createdAt: 0, updatedAt: 0, versions: [version({})] };
  render(
    <RegionTab
      run={{ ...of, processingStatus: "completed" }}
      base={1}
      creativity={2}
      busy={false}
      send={() => {}}
      ability={{ available: true, why: null }}
      photo={photo}
    />,
  );
  const brush = () => screen.queryByRole("button", { name: "Brush" });
  fireEvent.click(screen.getByRole("button", { name: "Draw a region" }));
  // Asked for once: by its role it takes a while each time.
  const addBox = screen.getByRole("button", { name: "Add a box" });
  for (let at = 1; at < MOST_REGIONS; at++) {
    fireEvent.click(addBox);
  }
  expect(addBox).toHaveProperty("disabled", true);
  expect(brush()).toBeNull();
  expect(screen.queryByRole("button", { name: "Rectangle" })).toBeNull();
  // The one that is drawn is chosen: it may be painted on.
  fireEvent.click(screen.getByRole("button", { name: /^Drawn/ }));
  expect(brush()?.getAttribute("aria-pressed")).toBe("true");
});
