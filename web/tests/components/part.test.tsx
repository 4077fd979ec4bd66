import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { GeneralTab } from "../../src/components/refine/GeneralTab";
import { version } from "../version";

const of = { runId: "0a.me", createdAt: 0, updatedAt: 0, versions: [version({})] };

it("who wants a part alone is told to paint it before anything is sent", async () => {
  const send = vi.fn();
  render(
    <GeneralTab
      run={{ ...of, processingStatus: "completed" }}
      base={1}
      creativity={2}
      busy={false}
      send={send}
      ability={{ available: true, why: null, remote: false }}
      photo={null}
      remote={false}
      onRemote={() => {}}
    />,
  );
  await userEvent.type(screen.getByLabelText("What to change"), "softer light");
  const button = screen.getByRole("button", { name: "Change it" });
  expect(button).toHaveProperty("disabled", false);
  const part = screen.getByRole("switch", { name: "Only a part of the picture" });
  await userEvent.click(part);
  expect(button).toHaveProperty("disabled", true);
  expect(screen.getByRole("status").textContent).toBe("The picture is being opened.");
  await userEvent.click(part);
  expect(button).toHaveProperty("disabled", false);
  expect(send).not.toHaveBeenCalled();
});
