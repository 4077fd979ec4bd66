// Fingers, pens, mice and arrow keys on a canvas become strokes, shapes, zoom and pan.

import { type Area, KEEP, type Label, type Point } from "./labels";
import type { Painting } from "./painting";
import { stepped, type Tool } from "./tools";
import { ARROW_SHARE, ARROWS, moved, onPhoto, type Size, type View, zoomed } from "./view";

/** A shape that is being drawn, in photo px. */
export type Sketch = { kind: "rectangle" | "lasso"; points: Point[] } | null;

export interface Canvas {
  readonly photo: Size;
  readonly painting: Painting;
  readonly tool: Tool;
  readonly label: Label;
  /** Diameter of the brush, photo px. */
  readonly size: number;
  readonly room: Size;
  view: View;
  /** Takes a rectangle instead of the painting. */
  readonly onBox?: ((area: Area) => void) | undefined;
  onSize(size: number): void;
  sketch(sketch: Sketch): void;
  cursor(at: Point | null): void;
}

// Zoom of one px of a wheel; a notch has 100.
const WHEEL_ZOOM = 0.0025;
const RIGHT = 2;
const MIDDLE = 1;
// Where a lasso's next corner is left out, px of the screen.
const NEAR = 2;

type Doing =
  | { kind: "stroke"; label: Label; last: Point }
  | { kind: "shape"; shape: "rectangle" | "lasso"; label: Label; points: Point[] }
  | { kind: "pan"; last: Point }
  | { kind: "pinch"; apart: number; middle: Point };

/** Listens to one element; `canvas` gives what is up to date at each event. */
export class Gestures {
  private readonly pointers = new Map<number, Point>();
  private doing: Doing | null = null;
  private lastEnd: Point | null = null;
  private space = false;

  constructor(
    private readonly element: HTMLElement,
    private readonly canvas: () => Canvas,
  ) {}

  /** Begin to listen; returns what ends it. */
  attach(): () => void {
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      act: (event: HTMLElementEventMap[K]) => void,
    ) => {
      this.element.addEventListener(name, act, { passive: false });
      return () => this.element.removeEventListener(name, act);
    };
    const key = (event: KeyboardEvent) => this.key(event);
    window.addEventListener("keydown", key);
    window.addEventListener("keyup", key);
    const ends = [
      on("pointerdown", (event) => this.down(event)),
      on("pointermove", (event) => this.move(event)),
      on("pointerup", (event) => this.up(event)),
      on("pointercancel", (event) => this.up(event)),
      on("pointerleave", () => this.canvas().cursor(null)),
      on("wheel", (event) => this.wheel(event)),
      on("contextmenu", (event) => event.preventDefault()),
      // A drawer round the canvas would take a stroke for a swipe.
      on("touchstart", (event) => event.preventDefault()),
    ];
    return () => {
      for (const end of ends) end();
      window.removeEventListener("keydown", key);
      window.removeEventListener("keyup", key);
    };
  }

  private at(event: { clientX: number; clientY: number }): Point {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  private key(event: KeyboardEvent): void {
    if (event.key === " " && document.activeElement === this.element) {
      this.space = event.type === "keydown";
      event.preventDefault();
    }
    const arrow = ARROWS[event.key];
    const bare = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (arrow && bare && event.type === "keydown" && event.target === this.element) {
      this.pan(arrow, event);
    }
    if (event.key === "Escape" && event.type === "keydown" && this.doing) this.drop();
  }

  /** Move a photo that is larger than its canvas; one that is not leaves the key to the page. */
  private pan([x, y]: readonly [number, number], event: KeyboardEvent): void {
    const canvas = this.canvas();
    const { photo, room, view } = canvas;
    const larger = photo.width * view.scale > room.width || photo.height * view.scale > room.height;
    if (!larger) return;
    event.preventDefault();
    const [dx, dy] = [x * ARROW_SHARE * room.width, y * ARROW_SHARE * room.height];
    canvas.view = moved(view, dx, dy, photo, room);
  }

  private down(event: PointerEvent): void {
    event.preventDefault();
    this.element.focus({ preventScroll: true });
    try {
      this.element.setPointerCapture(event.pointerId);
    } catch {
      // The pointer has left already.
    }
    const at = this.at(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size === 2) {
      this.drop();
      this.doing = { kind: "pinch", ...this.pinch() };
    } else if (this.pointers.size === 1) {
      this.begin(event, at);
    }
  }

  private begin(event: PointerEvent, at: Point): void {
    const canvas = this.canvas();
    const { tool, view, painting } = canvas;
    if (tool === "pan" || this.space || event.button === MIDDLE) {
      this.doing = { kind: "pan", last: at };
      return;
    }
    const erases = event.button === RIGHT || event.altKey || tool === "eraser";
    const label = erases ? KEEP : canvas.label;
    const point = onPhoto(view, at);
    if (tool === "rectangle" || tool === "lasso") {
      this.doing = { kind: "shape", shape: tool, label, points: [point] };
      return;
    }
    const from = event.shiftKey && this.lastEnd ? this.lastEnd : point;
    painting.stroke(from, point, canvas.size / 2, label);
    this.doing = { kind: "stroke", label, last: point };
  }

  private move(event: PointerEvent): void {
    const canvas = this.canvas();
    const at = this.at(event);
    canvas.cursor(at);
    const before = this.pointers.get(event.pointerId);
    const doing = this.doing;
    if (!before || !doing) return;
    this.pointers.set(event.pointerId, at);
    if (doing.kind === "stroke") {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) {
        const point = onPhoto(canvas.view, this.at(one));
        canvas.painting.stroke(doing.last, point, canvas.size / 2, doing.label);
        doing.last = point;
      }
    } else if (doing.kind === "shape") {
      const point = onPhoto(canvas.view, at);
      if (doing.shape === "rectangle") doing.points = [doing.points[0]!, point];
      else if (far(doing.points.at(-1)!, point, NEAR / canvas.view.scale)) doing.points.push(point);
      canvas.sketch({ kind: doing.shape, points: doing.points });
    } else if (doing.kind === "pan") {
      const { x, y } = doing.last;
      canvas.view = moved(canvas.view, at.x - x, at.y - y, canvas.photo, canvas.room);
      doing.last = at;
    } else {
      const next = this.pinch();
      const { apart, middle } = doing;
      const shifted = moved(
        canvas.view,
        next.middle.x - middle.x,
        next.middle.y - middle.y,
        canvas.photo,
        canvas.room,
      );
      const factor = next.apart / Math.max(apart, 1);
      canvas.view = zoomed(shifted, factor, next.middle, canvas.photo, canvas.room);
      this.doing = { kind: "pinch", ...next };
    }
  }

  private up(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    const doing = this.doing;
    // A finger that stays after a pinch draws nothing until it is lifted too.
    if (this.pointers.size) return;
    this.doing = null;
    if (!doing) return;
    const canvas = this.canvas();
    if (doing.kind === "stroke") {
      this.lastEnd = doing.last;
      // After the event: what depends on the painting is drawn anew by it.
      setTimeout(() => canvas.painting.commit());
    } else if (doing.kind === "shape") {
      canvas.sketch(null);
      if (doing.shape === "lasso") canvas.painting.lasso(doing.points, doing.label);
      else if (doing.points.length === 2) this.box(canvas, doing.points, doing.label);
    }
  }

  private box(canvas: Canvas, points: Point[], label: Label): void {
    const [a, b] = [points[0]!, points[1]!];
    const area = {
      x0: Math.min(a.x, b.x),
      y0: Math.min(a.y, b.y),
      x1: Math.max(a.x, b.x),
      y1: Math.max(a.y, b.y),
    };
    if (canvas.onBox) canvas.onBox(area);
    else canvas.painting.rectangle(area, label);
  }

  /** Leave off what was begun, without a trace. */
  private drop(): void {
    const canvas = this.canvas();
    if (this.doing?.kind === "stroke") canvas.painting.abandon();
    canvas.sketch(null);
    this.doing = null;
  }

  private pinch(): { apart: number; middle: Point } {
    const [a, b] = [...this.pointers.values()] as [Point, Point];
    return {
      apart: Math.hypot(a.x - b.x, a.y - b.y),
      middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 },
    };
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const canvas = this.canvas();
    const sizes = canvas.tool === "brush" || canvas.tool === "eraser";
    // A pinch on a touchpad comes as a wheel with Ctrl.
    if (event.ctrlKey || event.metaKey || !sizes) {
      const pixels = event.deltaMode === 0 ? event.deltaY : event.deltaY * 33;
      const strong = event.ctrlKey && Math.abs(event.deltaY) < 50 ? 4 : 1;
      const factor = Math.exp(-pixels * WHEEL_ZOOM * strong);
      canvas.view = zoomed(canvas.view, factor, this.at(event), canvas.photo, canvas.room);
    } else if (event.deltaY) {
      canvas.onSize(stepped(canvas.size, event.deltaY < 0));
    }
    canvas.cursor(this.at(event));
  }
}

function far(a: Point, b: Point, distance: number): boolean {
  return Math.hypot(a.x - b.x, a.y - b.y) >= distance;
}
