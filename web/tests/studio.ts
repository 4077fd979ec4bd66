import type { Studio } from "../src/api/types";

const able = { available: true, why: null };

/** Return a server that can do everything, with `some` of it as given. */
export function studioWith(some: Partial<Studio> = {}): Studio {
  return {
    signedIn: true,
    needsKey: true,
    user: "ann",
    version: "1",
    profile: "embedded",
    can: {
      cutout: able,
      findMasks: able,
      text: able,
      region: { ...able, ignoresPrompt: true },
      search: { ...able, remoteJudges: false },
      swap: able,
      subject: { ...able, remote: true },
      general: { ...able, remote: true },
    },
    limits: { maxBytes: 1e8, minSide: 64, maxSide: 8_192, maxPixels: 50_000_000 },
    ...some,
  };
}
