import "fake-indexeddb/auto";
import { afterEach } from "vitest";

// Tests without a document need no cleaning, and no React.
if (typeof document !== "undefined") {
  const { cleanup } = await import("@testing-library/react");
  afterEach(cleanup);
}
