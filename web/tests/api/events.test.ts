import { afterEach, describe, expect, it } from "vitest";
import { JobEvents, parsed } from "../../src/api/events";
import type { JobEvent } from "../../src/api/types";
import { socketServer, type Visit } from "../socketServer";

const log = (seq: number) => ({ type: "log", seq, at: 1, line: `line ${seq}` });
const END = { type: "end", seq: 6, status: "completed", version: 1, report: null, error: null };

let close: (() => Promise<void>) | null = null;
afterEach(async () => {
  await close?.();
  close = null;
});

/** Follow a job until its end. */
function followed(jobId: string): Promise<{ events: JobEvent[]; connections: string[] }> {
  const events: JobEvent[] = [];
  const connections: string[] = [];
  return new Promise((done) => {
    new JobEvents(jobId, {
      onEvent: (event) => {
        events.push(event);
        if (event.type === "end") done({ events, connections });
      },
      onConnection: (connection) => connections.push(connection),
    });
  });
}

describe("a job's events", () => {
  it("are taken up where the connection broke: none is lost, none comes twice", async () => {
    const visits: Visit[] = [];
    close = await socketServer((visit) => {
      visits.push(visit);
      const all = [log(1), log(2), log(3), log(4), log(5), END];
      // The first connection breaks after three; the second repeats one, as a careless server may.
      const sent = visits.length === 1 ? all.slice(0, 3) : all.slice(visit.after - 1);
      for (const event of sent) visit.socket.send(JSON.stringify(event));
      visit.socket.close();
    });
    const { events, connections } = await followed("0a-0001.me");
    expect(events.map((event) => event.seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(visits.map((visit) => visit.after)).toEqual([0, 3]);
    expect(visits.map((visit) => visit.jobId)).toEqual(["0a-0001.me", "0a-0001.me"]);
    expect(connections).toEqual(["connecting", "live", "lost", "connecting", "live"]);
  });

  it("end with the end: nobody comes again", async () => {
    let visits = 0;
    close = await socketServer(({ socket }) => {
      visits++;
      socket.send(JSON.stringify({ ...END, seq: 1 }));
      socket.send(JSON.stringify(log(2)));
    });
    const { events } = await followed("0a-0001.me");
    expect(events.map((event) => event.type)).toEqual(["end"]);
    expect(visits).toBe(1);
  });

  it("of a kind that the page does not know, or broken ones, are passed over", () => {
    expect(parsed('{"type": "applause", "seq": 3}')).toBeNull();
    expect(parsed('{"type": "log"}')).toBeNull();
    expect(parsed("<html>")).toBeNull();
    expect(parsed(JSON.stringify(log(4)))).toEqual(log(4));
  });
});
