import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Order } from "../../src/api/payloads";
import type { Run } from "../../src/api/types";
import { LogStream } from "../../src/components/LogStream";
import { ReportWords } from "../../src/components/look/ReportWords";
import { VersionCard } from "../../src/components/look/VersionCard";
import { FindWords } from "../../src/components/paint/FindWords";
import { GeneralTab } from "../../src/components/refine/GeneralTab";
import { Painting } from "../../src/mask/painting";
import { socketServer } from "../socketServer";
import { version } from "../version";

const HTML = '<img src=x onerror="alert(1)"><b>bold</b>';

function run(...versions: Run["versions"]): Run {
  return { runId: "0a.me", createdAt: 0, updatedAt: 0, processingStatus: "completed", versions };
}

const nothing = { onRun() {}, onLook() {}, onGoOn() {}, onRefine() {}, onCompare() {} };

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
});

describe("a version's card", () => {
  it("has its badge, what it is from, a slider, a rating and its actions, all by name", () => {
    const second = version({ version: 2, parent: 1, kind: "inpaint" });
    render(<VersionCard run={run(version({}), second)} version={second} {...nothing} />);
    const card = screen.getByRole("article", { name: "Version 2: Removed" });
    const inside = within(card);
    expect(inside.getByRole("img", { name: "Version 2" })).toBeDefined();
    expect(inside.getByText(/from v1/)).toBeDefined();
    expect(inside.getByRole("slider", { name: /Before and after: v1 and v2/ })).toBeDefined();
    expect(inside.getByRole("radio", { name: "5 of 5, perfect" })).toBeDefined();
    for (const name of ["Refine", "Paint on it", "Another seed", "Compare"]) {
      expect(inside.getByRole("button", { name })).toBeDefined();
    }
    expect(inside.getByRole("link", { name: "Download" }).getAttribute("href")).toBe("/image.png");
  });

  it("says why a version failed, HTML as text", () => {
    const failed = version({
      processingStatus: "failed",
      error: { kind: "INVALID_ARG", message: HTML },
    });
    const { container } = render(<VersionCard run={run(failed)} version={failed} {...nothing} />);
    expect(screen.getByRole("alert").textContent).toContain(HTML);
    expect(container.querySelector("b")).toBeNull();
  });
});

it("a report shows HTML in any of its fields as text", () => {
  const report = { engine: HTML, engine_reason: HTML, check: HTML };
  const { container } = render(<ReportWords version={version({ report, note: HTML })} />);
  expect(container.querySelector("b, img")).toBeNull();
  expect(screen.getAllByText((text) => text.includes("onerror")).length).toBeGreaterThan(1);
});

it("the live log shows lines as they come, HTML as text", async () => {
  close = await socketServer(({ socket }) => {
    socket.send(JSON.stringify({ type: "log", seq: 1, at: 0, line: HTML }));
    socket.send(JSON.stringify({ type: "log", seq: 2, at: 0, line: "second" }));
  });
  render(<LogStream jobId="log-job" />);
  expect(await screen.findByText("second")).toBeDefined();
  const log = screen.getByRole("log", { name: "Live log" });
  expect(log.textContent).toContain(HTML);
  expect(log.querySelector("b, img")).toBeNull();
  expect(screen.getByRole("status").textContent).toBe("Live");
});

describe("the general tab", () => {
  const repair = { run: run(version({})), base: 1, creativity: 2, busy: false };

  it("sends what was typed, for the version in hand", async () => {
    const send = vi.fn<(order: Order) => void>();
    const ability = { available: true, why: null, remote: false };
    render(
      <GeneralTab
        {...repair}
        photo={null}
        send={send}
        ability={ability}
        remote={false}
        onRemote={() => {}}
      />,
    );
    // Nothing leaves the server: nothing is asked.
    expect(screen.queryByRole("switch", { name: "My picture may be sent there" })).toBeNull();
    const button = screen.getByRole("button", { name: "Change it" });
    expect(button).toHaveProperty("disabled", true);
    await userEvent.type(screen.getByLabelText("What to change"), "softer light");
    await userEvent.click(button);
    const request = {
      type: "general",
      payload: { prompt: "softer light" },
      base: 1,
      creativity: 2,
      parameters: {},
    };
    await waitFor(() => expect(send).toHaveBeenCalledWith({ request }, []));
  });

  it("sends nothing to another machine before somebody agrees", async () => {
    const onRemote = vi.fn();
    const ability = { available: true, why: null, remote: true };
    render(
      <GeneralTab
        {...repair}
        photo={null}
        send={() => {}}
        ability={ability}
        remote={false}
        onRemote={onRemote}
      />,
    );
    await userEvent.type(screen.getByLabelText("What to change"), "softer light");
    expect(screen.getByRole("button", { name: "Change it" })).toHaveProperty("disabled", true);
    await userEvent.click(screen.getByRole("switch", { name: "My picture may be sent there" }));
    expect(onRemote).toHaveBeenCalledWith(true);
  });
});

it("finding by words says why it cannot be had, in place of its field", () => {
  const ability = {
    available: false,
    why: "PAWFECT_UNAVAILABLE: find_masks: expected SAM3's weights",
  };
  render(<FindWords ability={ability} seen={{}} painting={new Painting(4, 4)} label={1} />);
  expect(screen.queryByRole("textbox")).toBeNull();
  expect(screen.getByText(/expected SAM3's weights/).textContent).not.toContain("UNAVAILABLE");
});
