// A real server of job events: what it is told to send is sent to whoever comes, from `after` on.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";

export interface Visit {
  jobId: string;
  after: number;
  socket: WebSocket;
}

/** Listens on a free port, which `location` then names; `onVisit` gets each connection. */
export async function socketServer(onVisit: (visit: Visit) => void): Promise<() => Promise<void>> {
  const server: Server = createServer();
  const sockets = new WebSocketServer({ server });
  sockets.on("connection", (socket, request) => {
    const url = new URL(request.url ?? "/", "http://here");
    const jobId = decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
    onVisit({ jobId, after: Number(url.searchParams.get("after")), socket });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  vi.stubGlobal("location", new URL(`http://127.0.0.1:${port}/`));
  return async () => {
    vi.unstubAllGlobals();
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    await new Promise((closed) => server.close(closed));
  };
}
