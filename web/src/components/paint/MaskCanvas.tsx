import Box from "@mui/material/Box";
import Konva from "konva";
import {
  type Ref,
  useCallback,
  useEffect,
  useImperativeHandle,
  useMemo,
  useRef,
  useState,
} from "react";
import { Circle, Image, Layer, Line, Rect, Stage } from "react-konva";
import { type Canvas, Gestures, type Sketch } from "../../mask/gestures";
import type { Area, Label, Point } from "../../mask/labels";
import { type Colours, Overlay } from "../../mask/overlay";
import type { Painting } from "../../mask/painting";
import type { Tool } from "../../mask/tools";
import { fitted, type Size, type View, zoomed } from "../../mask/view";
import type { Photo } from "../../state/photo";
import { type CanvasBox, CanvasBoxes } from "./CanvasBoxes";

// More device px than this per px of the page make painting slower and look no better.
const MOST_RATIO = 2;
const ratio = Math.min(window.devicePixelRatio || 1, MOST_RATIO);
Konva.pixelRatio = ratio;

export interface CanvasHandle {
  zoom: (factor: number) => void;
  fit: () => void;
}

interface Props {
  name: string;
  photo: Photo;
  painting: Painting;
  tool: Tool;
  label: Label;
  /** Diameter of the brush, photo px. */
  size: number;
  colours: Colours;
  /** The label that is drawn in stripes. */
  striped?: number;
  boxes?: CanvasBox[];
  height: string | Record<string, string>;
  onSize: (size: number) => void;
  onBox?: (area: Area) => void;
  onScale?: (scale: number) => void;
  ref?: Ref<CanvasHandle>;
}

/** A photo to paint on. Events draw on the canvases themselves; React hears of steps alone. */
export function MaskCanvas(props: Props) {
  const { name, photo, painting, tool, boxes, height, ref, onScale } = props;
  const place = useRef<HTMLDivElement>(null);
  const nodes = {
    photo: useRef<Konva.Image>(null),
    overlay: useRef<Konva.Image>(null),
    cursor: useRef<Konva.Circle>(null),
    rectangle: useRef<Konva.Rect>(null),
    lasso: useRef<Konva.Line>(null),
  };
  const now = useRef(props);
  now.current = props;
  const room = useRef<Size>({ width: 0, height: 0 });
  const view = useRef<View>({ scale: 1, x: 0, y: 0 });
  const touched = useRef(false);
  const [size, setSize] = useState<Size | null>(null);
  const [shownView, setShownView] = useState<View>(view.current);
  const { colours, striped } = props;
  const overlay = useMemo(
    () => new Overlay(painting, colours, striped),
    [painting, colours, striped],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: refs stay the same.
  const show = useCallback(
    (next: View) => {
      view.current = next;
      const node = nodes.photo.current;
      const { photo } = now.current;
      if (node) {
        const close = next.scale * ratio > (photo.shown.width / photo.width) * 1.2;
        const picture = close ? photo.whole : photo.shown;
        node.image(picture);
        node.position({ x: next.x, y: next.y });
        node.size({ width: photo.width * next.scale, height: photo.height * next.scale });
        node.getLayer()?.imageSmoothingEnabled(next.scale < 3);
        node.getLayer()?.batchDraw();
      }
      overlay.show(next, room.current.width, room.current.height, ratio);
      nodes.overlay.current?.getLayer()?.batchDraw();
      setShownView(next);
      onScale?.(next.scale);
    },
    [overlay, onScale],
  );

  const showWhole = useCallback(() => {
    touched.current = false;
    show(fitted(now.current.photo, room.current, 12));
  }, [show]);

  useEffect(() => {
    const element = place.current!;
    const watch = new ResizeObserver(() => {
      room.current = { width: element.clientWidth, height: element.clientHeight };
      setSize(room.current);
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  // Another photo is shown whole; another size of the window keeps what was looked at.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another photo or room shows it anew.
  useEffect(() => {
    if (size) touched.current ? show(view.current) : showWhole();
  }, [size, photo, show, showWhole]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only where the photo's size changes.
  useEffect(() => {
    touched.current = false;
  }, [photo.width, photo.height]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: refs stay the same.
  useEffect(() => {
    return painting.onRedraw((area) => {
      overlay.redraw(area);
      nodes.overlay.current?.getLayer()?.batchDraw();
    });
  }, [painting, overlay]);

  useImperativeHandle(ref, () => ({
    zoom: (factor) => {
      touched.current = true;
      const middle = { x: room.current.width / 2, y: room.current.height / 2 };
      show(zoomed(view.current, factor, middle, now.current.photo, room.current));
    },
    fit: showWhole,
  }));

  // biome-ignore lint/correctness/useExhaustiveDependencies: refs stay the same.
  useEffect(() => {
    const cursor = (at: Point | null) => {
      const node = nodes.cursor.current;
      if (!node) return;
      const { tool, size } = now.current;
      const shown = at !== null && (tool === "brush" || tool === "eraser");
      node.visible(shown);
      if (shown) node.position(at).radius(Math.max((size / 2) * view.current.scale, 1));
      node.getLayer()?.batchDraw();
    };
    const sketch = (drawn: Sketch) => {
      const to = ({ x, y }: Point) => ({
        x: x * view.current.scale + view.current.x,
        y: y * view.current.scale + view.current.y,
      });
      const points = drawn?.points.map(to) ?? [];
      const [a, b] = points;
      nodes.rectangle.current?.visible(drawn?.kind === "rectangle" && !!b);
      if (a && b) {
        nodes.rectangle.current?.setAttrs({ ...a, width: b.x - a.x, height: b.y - a.y });
      }
      nodes.lasso.current?.visible(drawn?.kind === "lasso");
      nodes.lasso.current?.points(points.flatMap(({ x, y }) => [x, y]));
      nodes.lasso.current?.getLayer()?.batchDraw();
    };
    const canvas: Canvas = {
      get photo() {
        return now.current.photo;
      },
      get painting() {
        return now.current.painting;
      },
      get tool() {
        return now.current.tool;
      },
      get label() {
        return now.current.label;
      },
      get size() {
        return now.current.size;
      },
      get room() {
        return room.current;
      },
      get view() {
        return view.current;
      },
      set view(next) {
        touched.current = true;
        show(next);
      },
      get onBox() {
        return now.current.onBox;
      },
      onSize: (next) => now.current.onSize(next),
      cursor,
      sketch,
    };
    return new Gestures(place.current!, () => canvas).attach();
  }, [show]);

  return (
    <Box
      ref={place}
      tabIndex={0}
      role="application"
      aria-label={name}
      sx={{
        width: 1,
        aspectRatio: `${photo.width} / ${photo.height}`,
        minHeight: 220,
        maxHeight: height,
        overflow: "hidden",
        touchAction: "none",
        borderRadius: "14px",
        bgcolor: "var(--stage)",
        cursor:
          tool === "pan" ? "grab" : tool === "rectangle" || tool === "lasso" ? "crosshair" : "none",
      }}
    >
      {size && (
        <Stage width={size.width} height={size.height} listening={false}>
          <Layer listening={false}>
            <Image ref={nodes.photo} image={photo.shown} />
          </Layer>
          <Layer listening={false}>
            <Image
              ref={nodes.overlay}
              image={overlay.canvas}
              width={size.width}
              height={size.height}
            />
          </Layer>
          <Layer listening={false}>
            {boxes && <CanvasBoxes boxes={boxes} view={shownView} />}
            <Rect
              ref={nodes.rectangle}
              visible={false}
              stroke="#fff"
              strokeWidth={2}
              dash={[7, 5]}
              fill="rgba(255,255,255,0.14)"
              shadowColor="#000"
              shadowBlur={3}
            />
            <Line
              ref={nodes.lasso}
              visible={false}
              closed
              stroke="#fff"
              strokeWidth={2}
              dash={[7, 5]}
              fill="rgba(255,255,255,0.14)"
              shadowColor="#000"
              shadowBlur={3}
            />
            <Circle
              ref={nodes.cursor}
              visible={false}
              radius={1}
              stroke="#fff"
              strokeWidth={1.6}
              shadowColor="#000"
              shadowBlur={3}
              shadowForStrokeEnabled
            />
          </Layer>
        </Stage>
      )}
    </Box>
  );
}
