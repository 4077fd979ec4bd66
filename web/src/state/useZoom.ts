import { type KeyboardEvent, type RefObject, useEffect, useRef, useState } from "react";
import { ARROW_SHARE, ARROWS } from "../mask/view";

/** How pictures of a frame are shown: enlarged, and moved by shares of the frame. */
export interface Zoom {
  scale: number;
  x: number;
  y: number;
}

export const WHOLE: Zoom = { scale: 1, x: 0, y: 0 };
const CLOSEST = 16;
const STEP = 1.6;

/** Return a zoom changed by a factor about a point of the frame, given in shares of it. */
export function zoomedBy(zoom: Zoom, factor: number, at = { x: 0.5, y: 0.5 }): Zoom {
  const scale = Math.min(Math.max(zoom.scale * factor, 1), CLOSEST);
  const real = scale / zoom.scale;
  return held({
    scale,
    x: at.x - (at.x - zoom.x) * real,
    y: at.y - (at.y - zoom.y) * real,
  });
}

export function pannedBy(zoom: Zoom, dx: number, dy: number): Zoom {
  return held({ ...zoom, x: zoom.x + dx, y: zoom.y + dy });
}

/** No edge of a picture comes into its frame. */
function held({ scale, x, y }: Zoom): Zoom {
  const hold = (at: number) => Math.min(Math.max(at, 1 - scale), 0);
  return { scale, x: hold(x), y: hold(y) };
}

export interface ZoomHand {
  zoom: Zoom;
  set: (change: (zoom: Zoom) => Zoom) => void;
  nearer: () => void;
  farther: () => void;
  whole: () => void;
}

export function useZoom(): ZoomHand {
  const [zoom, setZoom] = useState(WHOLE);
  return {
    zoom,
    set: setZoom,
    nearer: () => setZoom((had) => zoomedBy(had, STEP)),
    farther: () => setZoom((had) => zoomedBy(had, 1 / STEP)),
    whole: () => setZoom(WHOLE),
  };
}

/** Return what makes a frame of enlarged pictures a stop of Tab whose arrow keys move them. */
export function keysOfFrame({ zoom, set }: ZoomHand, name: string) {
  if (zoom.scale === 1) return {};
  return {
    tabIndex: 0,
    role: "group",
    "aria-label": `${name}, enlarged: arrow keys move it`,
    onKeyDown: (event: KeyboardEvent) => {
      const arrow = ARROWS[event.key];
      // The divider within a frame has arrow keys of its own.
      if (!arrow || event.target !== event.currentTarget) return;
      event.preventDefault();
      set((had) => pannedBy(had, arrow[0] * ARROW_SHARE, arrow[1] * ARROW_SHARE));
    },
  };
}

/** Zoom by Ctrl and wheel or a pinch of a touchpad, over a frame. */
export function useWheelZoom(frame: RefObject<HTMLElement | null>, set: ZoomHand["set"]): void {
  const now = useRef(set);
  now.current = set;
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const { left, top, width, height } = element.getBoundingClientRect();
      const at = { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
      now.current((zoom) => zoomedBy(zoom, Math.exp(-event.deltaY * 0.005), at));
    };
    element.addEventListener("wheel", wheel, { passive: false });
    return () => element.removeEventListener("wheel", wheel);
  }, [frame]);
}
