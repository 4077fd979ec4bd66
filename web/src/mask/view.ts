// Where on the screen a photo lies: zoom and pan as plain values.

import type { Point } from "./labels";

/** Photo px times `scale`, moved by `x`, `y`, are px of the canvas. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

/** Which way a picture goes for an arrow key: what lies that way comes into sight. */
export const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [1, 0],
  ArrowRight: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};
/** How far for each press, of the frame's width or height. */
export const ARROW_SHARE = 0.1;

// At most so many px of the screen for one of the photo: to set single pixels.
const CLOSEST = 16;

/** Return the view that shows all of a photo, in the middle, with a margin in px. */
export function fitted(photo: Size, room: Size, margin = 0): View {
  const scale = Math.max(
    Math.min((room.width - 2 * margin) / photo.width, (room.height - 2 * margin) / photo.height),
    1e-3,
  );
  return {
    scale,
    x: (room.width - photo.width * scale) / 2,
    y: (room.height - photo.height * scale) / 2,
  };
}

/** Return a view zoomed by a factor about a point of the canvas, which stays where it is. */
export function zoomed(view: View, factor: number, about: Point, photo: Size, room: Size): View {
  const least = fitted(photo, room).scale * 0.5;
  const scale = Math.min(Math.max(view.scale * factor, least), Math.max(CLOSEST, least));
  const real = scale / view.scale;
  return kept(
    { scale, x: about.x - (about.x - view.x) * real, y: about.y - (about.y - view.y) * real },
    photo,
    room,
  );
}

/** Return a view moved by px of the canvas. */
export function moved(view: View, dx: number, dy: number, photo: Size, room: Size): View {
  return kept({ ...view, x: view.x + dx, y: view.y + dy }, photo, room);
}

/** Return the photo's point under one of the canvas. */
export function onPhoto(view: View, at: Point): Point {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}

/** Return a view that has some of the photo on the canvas. */
function kept(view: View, photo: Size, room: Size): View {
  const some = 48;
  const hold = (at: number, size: number, space: number) =>
    Math.min(Math.max(at, some - size), space - some);
  return {
    scale: view.scale,
    x: hold(view.x, photo.width * view.scale, room.width),
    y: hold(view.y, photo.height * view.scale, room.height),
  };
}
