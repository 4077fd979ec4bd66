// A job's events as they come: by WebSocket, taken up again where it broke, else by SSE.

import { eventsUrl, socketUrl } from "./client";
import type { JobEvent } from "./types";

export type Connection = "connecting" | "live" | "lost";

// First wait before another try, ms; doubled each time up to the longest.
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;
// Sockets that never opened, before it is taken that something on the way refuses them.
const REFUSED = 3;

const TYPES = ["state", "log", "preview", "candidate", "end"];

interface Listener {
  onEvent: (event: JobEvent) => void;
  onConnection?: (connection: Connection) => void;
}

/** Follows one job until its end; each event is told once, in order. */
export class JobEvents {
  private after = 0;
  private wait = FIRST_WAIT_MS;
  private refused = 0;
  private socket: WebSocket | null = null;
  private source: EventSource | null = null;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private over = false;

  constructor(
    private readonly jobId: string,
    private readonly listener: Listener,
  ) {
    this.connect();
  }

  close(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.socket?.close();
    this.source?.close();
  }

  private connect(): void {
    if (this.over) return;
    this.tell("connecting");
    if (this.refused >= REFUSED && typeof EventSource !== "undefined") this.connectSource();
    else this.connectSocket();
  }

  private connectSocket(): void {
    const socket = new WebSocket(socketUrl(this.jobId, this.after));
    let opened = false;
    this.socket = socket;
    socket.onopen = () => {
      opened = true;
      this.refused = 0;
      this.tell("live");
    };
    socket.onmessage = (message) => this.take(String(message.data));
    socket.onclose = () => {
      if (this.over || this.socket !== socket) return;
      if (!opened) this.refused++;
      this.again();
    };
  }

  private connectSource(): void {
    const source = new EventSource(`${eventsUrl(this.jobId)}?after=${this.after}`);
    this.source = source;
    source.onopen = () => this.tell("live");
    const take = (message: MessageEvent<string>) => this.take(message.data);
    source.onmessage = take;
    for (const name of TYPES) source.addEventListener(name, take);
    source.onerror = () => {
      source.close();
      // Sockets get their turn again: it may have been the API that was away.
      this.refused = 0;
      this.again();
    };
  }

  private again(): void {
    this.tell("lost");
    this.timer = setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  private take(text: string): void {
    const event = parsed(text);
    if (!event || event.seq <= this.after || this.over) return;
    this.after = event.seq;
    this.wait = FIRST_WAIT_MS;
    if (event.type === "end") this.close();
    this.listener.onEvent(event);
  }

  private tell(connection: Connection): void {
    this.listener.onConnection?.(connection);
  }
}

/** Return an event, null for what is none: a newer API may send kinds that this page does not know. */
export function parsed(text: string): JobEvent | null {
  try {
    const event = JSON.parse(text) as JobEvent;
    const known = TYPES.includes(event.type);
    return known && typeof event.seq === "number" ? event : null;
  } catch {
    return null;
  }
}
