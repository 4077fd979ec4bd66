import { useSyncExternalStore } from "react";
import { type Feed, feedOf, NOTHING } from "./feeds";

const none = () => () => {};

/** Follow a job while the component is there; nothing for null. */
export function useFeed(jobId: string | null): Feed {
  const feed = jobId === null ? null : feedOf(jobId);
  return useSyncExternalStore(feed?.subscribe ?? none, () => feed?.feed ?? NOTHING);
}
