import "fake-indexeddb/auto";
import { afterEach } from "vitest";

// Tests without a document need no cleaning, and no React.
if (typeof document !== "undefined") {
  const { cleanup, configure } = await import("@testing-library/react");
  // A busy machine draws late: what is waited for comes, or the test's own time is up.
  configure({ asyncUtilTimeout: 15_000 });
  afterEach(cleanup);
}
