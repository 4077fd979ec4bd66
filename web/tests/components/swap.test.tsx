import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Run, Version } from "../../src/api/types";
import { VersionCard } from "../../src/components/look/VersionCard";
import RefineDrawer from "../../src/components/refine/RefineDrawer";
import { answering, refusal } from "../answers";
import { studioWith } from "../studio";
import { version } from "../version";

beforeEach(() => {
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:character" }));
  URL.revokeObjectURL = () => {};
});
afterEach(() => void vi.unstubAllGlobals());

const nothing = { onOpen() {}, onClose() {}, onSent() {} };
const file = (name: string) => new File(["face"], name, { type: "image/jpeg" });
const tick = () => screen.getByRole("checkbox", { name: /^Everybody whose face is seen/ });
const button = () => screen.getByRole("button", { name: "Swap the face" });
const choose = (name: string) =>
  userEvent.upload(screen.getByLabelText(/character's picture$|Another character/), file(name));

function run(...versions: Version[]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

function drawn(some: Partial<Parameters<typeof RefineDrawer>[0]> = {}) {
  const second = version({ version: 2, jobId: "0a-0002.me" });
  const of = run(version({}), second);
  render(<RefineDrawer open first={null} run={of} studio={studioWith()} {...nothing} {...some} />);
  return userEvent.click(screen.getByRole("tab", { name: "Swap a face" }));
}

it("nothing is sent before a character is chosen and everybody is said to agree", async () => {
  const queued = version({ version: 3, jobId: "0a-0003.me", kind: "swap" });
  const asked = answering(({ path }) =>
    path.endsWith("/swap") ? Response.json(run(version({}), queued)) : refusal(404, "gone"),
  );
  const onSent = vi.fn();
  await drawn({ onSent });
  expect(button()).toHaveProperty("disabled", true);
  expect(screen.getByText("Choose a picture of the character.")).toBeTruthy();
  await choose("anna.jpg");
  expect(screen.getByRole("img", { name: "The character: anna.jpg" })).toBeTruthy();
  expect(screen.getByText("Tick first that everybody agrees.")).toBeTruthy();
  expect(button()).toHaveProperty("disabled", true);
  await userEvent.click(tick());
  await userEvent.click(button());
  await waitFor(() => expect(onSent).toHaveBeenCalledWith(3));
  const [sent] = asked.filter((one) => one.method === "POST");
  expect(sent?.path).toBe("/api/v1/runs/0a.me/swap");
  const form = sent?.body as FormData;
  expect(JSON.parse(String(form.get("parameters")))).toEqual({ consent: true });
  expect(form.get("base")).toBe("2");
  expect((form.get("reference") as File).name).toBe("anna.jpg");
  expect([form.has("mask"), form.has("mask_is")]).toEqual([false, false]);
  // What it is followed by.
  expect(screen.getByRole("tab", { name: "Live log" }).getAttribute("aria-selected")).toBe("true");
});

it("consent is to two pictures: another one of either takes the tick away, and so does a swap", async () => {
  answering(({ path }) =>
    path.endsWith("/swap")
      ? Response.json(run(version({ version: 3, kind: "swap" })))
      : refusal(404, "gone"),
  );
  await drawn();
  await choose("anna.jpg");
  await userEvent.click(tick());
  expect(tick()).toHaveProperty("checked", true);
  // The same file again is another choice.
  await choose("anna.jpg");
  expect(tick()).toHaveProperty("checked", false);
  await userEvent.click(tick());
  await userEvent.click(screen.getByRole("combobox", { name: "Refining" }));
  await userEvent.click(screen.getByRole("option", { name: /^v1/ }));
  expect(tick()).toHaveProperty("checked", false);
  expect(button()).toHaveProperty("disabled", true);
  await userEvent.click(tick());
  await userEvent.click(button());
  await screen.findByRole("tab", { name: "Live log", selected: true });
  await userEvent.click(screen.getByRole("tab", { name: "Swap a face" }));
  expect(tick()).toHaveProperty("checked", false);
  await userEvent.click(screen.getByRole("button", { name: "Remove the character" }));
  expect(screen.queryByRole("img", { name: /^The character/ })).toBeNull();
});

it("what the API refuses is said, and the tick stays for another try", async () => {
  answering(({ path }) =>
    path.endsWith("/swap")
      ? refusal(400, "reference: expected sides of 64 to 16384 px, got 40x40")
      : refusal(404, "gone"),
  );
  await drawn();
  await choose("small.jpg");
  await userEvent.click(tick());
  await userEvent.click(button());
  expect(await screen.findByText(/expected sides of 64/)).toBeTruthy();
  expect(tick()).toHaveProperty("checked", true);
});

it("a server that cannot swap says what mends it, and asks nobody for consent", async () => {
  answering(() => refusal(404, "gone"));
  const studio = studioWith();
  const why = "weights inswapper_128 are not here: run `pawfect weights add inswapper_128`";
  studio.can.swap = { available: false, why };
  await drawn({ studio });
  expect(screen.getByText(/weights inswapper_128 are not here/)).toBeTruthy();
  expect(screen.queryByRole("checkbox", { name: /^Everybody/ })).toBeNull();
  expect(button()).toHaveProperty("disabled", true);
});

it("another seed of a swap asks for consent anew", async () => {
  const asked = answering(() => refusal(404, "gone"));
  const made = version({
    kind: "swap",
    parameters: { consent: true, caller: "key phone", seed: 1 },
    links: { edited: "/edited.jpg", reference: "/files/reference.jpg", mask: null },
    report: {
      engine: "klein",
      candidates: [],
      licence: "Apache-2.0",
      swap: {
        box: [12.2, 10.4, 28, 30],
        found: 2,
        occluders: ["paw"],
        licences: { faces: "research only", swap: "research only" },
      },
    },
  });
  const look = { onRun() {}, onLook() {}, onGoOn() {}, onRefine() {}, onCompare() {} };
  render(<VersionCard run={run(made)} version={made} {...look} />);
  expect(screen.getByText("Face swapped")).toBeTruthy();
  expect(screen.getByText("Asked for by key phone, who said that everybody agrees.")).toBeTruthy();
  for (const told of [
    "Swapped one of 2 faces in the picture, at 12, 10 px.",
    "What lies over the face was kept: paw.",
    "Refined by FLUX.2 [klein].",
    "Made with networks under: research only; Apache-2.0.",
  ]) {
    expect(screen.getByText(told)).toBeTruthy();
  }
  expect(screen.queryByText(/^Filled with/)).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Another seed" }));
  expect(button()).toHaveProperty("disabled", true);
  expect(asked).toEqual([]);
  await userEvent.click(tick());
  await userEvent.click(button());
  await waitFor(() => expect(asked.map((one) => one.path)).toEqual(["/files/reference.jpg"]));
  await waitFor(() => expect(screen.queryByRole("checkbox")).toBeNull());
  await userEvent.click(screen.getByRole("button", { name: "Another seed" }));
  expect(tick()).toHaveProperty("checked", false);
});
