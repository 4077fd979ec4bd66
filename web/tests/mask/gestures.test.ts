import { expect, it } from "vitest";
import { type Canvas, Gestures } from "../../src/mask/gestures";
import { Painting } from "../../src/mask/painting";
import { fitted, zoomed } from "../../src/mask/view";

const photo = { width: 400, height: 300 };
const room = { width: 400, height: 300 };

it("arrow keys move a photo that is larger than its canvas, while that has the focus", () => {
  const element = document.createElement("div");
  element.tabIndex = 0;
  document.body.append(element);
  const canvas: Canvas = {
    photo,
    room,
    painting: new Painting(400, 300),
    tool: "brush",
    label: 1,
    size: 10,
    view: fitted(photo, room),
    onSize() {},
    sketch() {},
    cursor() {},
  };
  const end = new Gestures(element, () => canvas).attach();
  const press = (key: string, on: Element = element) => {
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    on.dispatchEvent(event);
    return event.defaultPrevented;
  };
  // Shown whole: the key is the page's, which scrolls.
  expect(press("ArrowRight")).toBe(false);
  canvas.view = zoomed(canvas.view, 2, { x: 200, y: 150 }, photo, room);
  const { x, y } = canvas.view;
  expect(press("ArrowRight")).toBe(true);
  expect(press("ArrowDown")).toBe(true);
  expect(canvas.view).toMatchObject({ x: x - 40, y: y - 30 });
  press("ArrowLeft");
  press("ArrowUp");
  expect(canvas.view).toMatchObject({ x, y });
  expect(press("ArrowRight", document.body)).toBe(false);
  expect(canvas.view).toMatchObject({ x, y });
  end();
  element.remove();
});
