import Box from "@mui/material/Box";
import CircularProgress from "@mui/material/CircularProgress";
import Stack from "@mui/material/Stack";
import { useRef, useState } from "react";
import type { Bbox } from "../../api/payloads";
import { type Area, type Label, within } from "../../mask/labels";
import type { Colours } from "../../mask/overlay";
import type { Painting } from "../../mask/painting";
import { firstSize, stepped, type Tool } from "../../mask/tools";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { useShortcuts } from "../../state/useShortcuts";
import type { CanvasBox } from "../paint/CanvasBoxes";
import { type CanvasHandle, MaskCanvas } from "../paint/MaskCanvas";
import { MaskToolbar } from "../paint/MaskToolbar";

interface Props {
  name: string;
  photo: Photo | null;
  painting: Painting | null;
  tools: readonly Tool[];
  tool: Tool;
  onTool: (tool: Tool) => void;
  label?: Label;
  colours?: Colours;
  boxes: CanvasBox[];
  onBox: (bbox: Bbox) => void;
}

const ZOOM = 1.4;
const NO_COLOURS: Colours = [[0, 0, 0]];

/** A picture to draw boxes over, and to paint on where there is a painting. */
export function BoardCanvas(props: Props) {
  const { name, photo, painting, tools, tool, onTool, boxes, onBox } = props;
  const canvas = useRef<CanvasHandle>(null);
  const [size, setSize] = useState(60);
  const [scale, setScale] = useState(1);
  const [known, setKnown] = useState<Photo | null>(null);
  const place = useRef<HTMLDivElement>(null);
  usePainting(painting);
  const choose = (kind: Tool) => () => tools.includes(kind) && onTool(kind);
  const zoom = (factor: number) => canvas.current?.zoom(factor);
  useShortcuts(
    {
      b: choose("brush"),
      e: choose("eraser"),
      r: choose("rectangle"),
      h: choose("pan"),
      "[": () => setSize((had) => stepped(had, false)),
      "]": () => setSize((had) => stepped(had, true)),
      "mod+z": () => painting?.undo(),
      "mod+shift+z": () => painting?.redo(),
      "mod+y": () => painting?.redo(),
      "+": () => zoom(ZOOM),
      "-": () => zoom(1 / ZOOM),
      "0": () => canvas.current?.fit(),
    },
    place,
  );
  if (photo && photo !== known) {
    setKnown(photo);
    setSize(firstSize(photo));
  }
  return (
    <Box ref={place}>
      {photo && painting ? (
        <Stack spacing={1}>
          <MaskToolbar
            tool={tool}
            tools={tools}
            onTool={onTool}
            size={size}
            onSize={setSize}
            painting={painting}
            scale={scale}
            onZoom={zoom}
            onFit={() => canvas.current?.fit()}
          />
          <MaskCanvas
            ref={canvas}
            name={name}
            photo={photo}
            painting={painting}
            tool={tool}
            label={props.label ?? 1}
            size={size}
            colours={props.colours ?? NO_COLOURS}
            striped={-1}
            boxes={boxes}
            height="40vh"
            onSize={setSize}
            onScale={setScale}
            onBox={(area) => {
              const bbox = boxOf(area, photo.width, photo.height);
              if (bbox) onBox(bbox);
            }}
          />
        </Stack>
      ) : (
        <Box sx={{ height: "38vh", display: "grid", placeItems: "center" }}>
          <CircularProgress aria-label="Opening the picture" />
        </Box>
      )}
    </Box>
  );
}

// A slip of the pointer is no box: smaller ones are made in numbers.
const LEAST = 3;

/** Return a drawn area as a box in whole px within a photo, null for a slip. */
export function boxOf(area: Area, width: number, height: number): Bbox | null {
  const whole = within(
    {
      x0: Math.round(area.x0),
      y0: Math.round(area.y0),
      x1: Math.round(area.x1),
      y1: Math.round(area.y1),
    },
    width,
    height,
  );
  if (!whole || whole.x1 - whole.x0 < LEAST || whole.y1 - whole.y0 < LEAST) return null;
  return [whole.x0, whole.y0, whole.x1 - whole.x0, whole.y1 - whole.y0];
}

/** Return a box in the middle of a photo, for whoever makes one by keys. */
export function middleBox({ width, height }: { width: number; height: number }): Bbox {
  const [wide, high] = [Math.round(width / 4), Math.round(height / 8)];
  return [Math.round((width - wide) / 2), Math.round((height - high) / 2), wide, high];
}
