import type { Version } from "../src/api/types";

/** Return a version that is completed, with `some` of it as given. */
export function version(some: Partial<Version>): Version {
  return {
    version: 1,
    jobId: "0a-0001.me",
    kind: "inpaint",
    type: null,
    payload: null,
    parent: 0,
    createdAt: 0,
    processingStatus: "completed",
    progress: null,
    waitingBefore: null,
    links: {},
    imageUrl: "/image.png",
    previewUrl: null,
    report: null,
    feedback: null,
    error: null,
    parameters: {},
    ...some,
  };
}
