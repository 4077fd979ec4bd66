import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The API that `npm run dev` passes requests on to.
const API = process.env.PAWFECT_API ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  // The API puts another word in its place each time; see its policy in docs/page.md.
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    // Inside the service's package, so that its wheel carries the page.
    outDir: fileURLToPath(new URL("../service/pawfect_service/page", import.meta.url)),
    emptyOutDir: true,
    // No data: addresses: the policy of the page lets fonts come from the API alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  server: { proxy: { "/api": { target: API, ws: true } } },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.{ts,tsx}"],
    setupFiles: ["tests/setup.ts"],
    // A busy machine takes its time with typing.
    testTimeout: 30_000,
    // One process: the machines that run it have two cores for everything.
    fileParallelism: false,
  },
});
