import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import type { Run, Version } from "../../src/api/types";
import RefineDrawer from "../../src/components/refine/RefineDrawer";
import { answering, refusal } from "../answers";
import { studioWith } from "../studio";
import { version } from "../version";

afterEach(() => void vi.unstubAllGlobals());

function run(...versions: Version[]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

function drawer(of: Run, some: Partial<Parameters<typeof RefineDrawer>[0]> = {}) {
  const nothing = { onOpen() {}, onClose() {}, onSent() {} };
  return <RefineDrawer open first={null} run={of} studio={studioWith()} {...nothing} {...some} />;
}

const refining = () => screen.getByRole("combobox", { name: "Refining" }).textContent;
const second = (status: Version["processingStatus"]) =>
  version({ version: 2, jobId: "0a-0002.me", processingStatus: status });

it("the version in hand stays while others of its run end", () => {
  answering(() => refusal(404, "gone"));
  const { rerender } = render(drawer(run(version({}), second("processing"))));
  expect(refining()).toMatch(/^v1/);
  rerender(drawer(run(version({}), second("completed"))));
  expect(refining()).toMatch(/^v1/);
  // Opened again, it begins with the newest.
  rerender(drawer(run(version({}), second("completed")), { open: false }));
  rerender(drawer(run(version({}), second("completed"))));
  expect(refining()).toMatch(/^v2/);
});

it("a photo that is still being taken in comes to hand by itself", () => {
  answering(() => refusal(404, "gone"));
  const photo = (status: Version["processingStatus"]) =>
    version({ kind: "import", processingStatus: status });
  const { rerender } = render(drawer(run(photo("pending"))));
  expect(refining()).not.toMatch(/^v1/);
  rerender(drawer(run(photo("completed"))));
  expect(refining()).toMatch(/^v1/);
  rerender(drawer(run(photo("completed"), second("completed"))));
  expect(refining()).toMatch(/^v1/);
});

it("consent to send a picture away is for one submission of one tab", async () => {
  const sent = { jobId: "0a-0002.me", runId: "0a.me", version: 2 };
  const asked = answering(({ path }) =>
    path.endsWith("/refine") ? Response.json(sent, { status: 201 }) : refusal(404, "gone"),
  );
  const bodies = () => asked.filter((one) => one.path.endsWith("/refine")).map((one) => one.body);
  render(drawer(run(version({}))));
  const tab = (name: string) => userEvent.click(screen.getByRole("tab", { name }));
  const consent = () => screen.getByRole("switch", { name: "My picture may be sent there" });
  await tab("Subject repair");
  await userEvent.type(screen.getByLabelText("What to change about the subject"), "ear");
  await userEvent.click(consent());
  await tab("General");
  expect(consent()).toHaveProperty("checked", false);
  await tab("Subject repair");
  await userEvent.click(screen.getByRole("button", { name: "Repair the subject" }));
  await waitFor(() => expect(bodies()).toHaveLength(1));
  expect(bodies()[0]).toMatchObject({ type: "subject", parameters: { remote: true } });
  await tab("Subject repair");
  expect(consent()).toHaveProperty("checked", false);
  expect(screen.getByRole("button", { name: "Repair the subject" })).toHaveProperty(
    "disabled",
    true,
  );
});
