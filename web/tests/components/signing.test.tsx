import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, describe, expect, it, vi } from "vitest";
import { AppHeader } from "../../src/components/AppHeader";
import { SignIn } from "../../src/components/SignIn";
import { clearDrafts, draftKey, keepDraft, NEW, readDraft } from "../../src/state/drafts";
import { answering, refusal } from "../answers";
import { studioWith } from "../studio";

afterEach(async () => {
  vi.unstubAllGlobals();
  await clearDrafts();
});

async function signInWith(key: string) {
  const onSignedIn = vi.fn();
  render(<SignIn onSignedIn={onSignedIn} />);
  await userEvent.type(screen.getByLabelText(/API key/), key);
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
  return onSignedIn;
}

describe("signing in", () => {
  it("sends the key without blanks round it, and goes on", async () => {
    const asked = answering(() => new Response(null, { status: 204 }));
    const onSignedIn = await signInWith("  pk-1 ");
    await waitFor(() => expect(onSignedIn).toHaveBeenCalledOnce());
    expect(asked).toEqual([{ method: "POST", path: "/api/v1/sign-in", body: { key: "pk-1" } }]);
  });

  it("says that a key is not known, and takes another", async () => {
    answering(() => refusal(401, "key: expected one of the file"));
    const onSignedIn = await signInWith("pk-2");
    expect((await screen.findByRole("alert")).textContent).toBe("That key is not known here.");
    expect(onSignedIn).not.toHaveBeenCalled();
    expect(screen.getByRole("button", { name: "Sign in" })).toHaveProperty("disabled", false);
  });

  it.each([
    [403, "this key is for every user: expected one of a single user"],
    [429, "too many tries, come back in a minute"],
  ])("gives the API's own reason for a %i", async (status, reason) => {
    answering(() => refusal(status, reason));
    await signInWith("pk-3");
    expect((await screen.findByRole("alert")).textContent).toBe(reason);
  });

  it("says that the server does not answer", async () => {
    answering(() => {
      throw new TypeError("network");
    });
    await signInWith("pk-4");
    expect((await screen.findByRole("alert")).textContent).toContain("does not answer");
  });
});

describe("signing out", () => {
  it.each([204, 503])("leaves no photo and no mask here, answered with %i", async (status) => {
    const photo = new File(["x"], "dog.jpg");
    const draft = { width: 2, height: 2, kept: Uint8Array.of(1, 4, 0), base: 0, photo };
    await keepDraft(draftKey("ann", NEW), draft);
    answering(() => new Response(null, { status }));
    const onSignedOut = vi.fn();
    render(<AppHeader studio={studioWith()} onSignedOut={onSignedOut} onDeleted={() => {}} />);
    await userEvent.click(screen.getByRole("button", { name: "Sign out ann" }));
    await waitFor(() => expect(onSignedOut).toHaveBeenCalledOnce());
    expect(await readDraft(draftKey("ann", NEW))).toBeNull();
  });

  it("is not offered where no key is needed", () => {
    const studio = studioWith({ needsKey: false, user: "me" });
    render(<AppHeader studio={studio} onSignedOut={() => {}} onDeleted={() => {}} />);
    expect(screen.queryByRole("button", { name: /Sign out/ })).toBeNull();
  });
});
