import Box from "@mui/material/Box";
import Paper from "@mui/material/Paper";
import Stack from "@mui/material/Stack";
import { useEffect, useRef, useState } from "react";
import type { Run, Studio } from "../../api/types";
import { PROTECT, REMOVE } from "../../mask/labels";
import type { Colours } from "../../mask/overlay";
import type { Painting } from "../../mask/painting";
import { firstSize, stepped, type Tool } from "../../mask/tools";
import { type Choices, choicesProblem } from "../../state/choices";
import type { Photo } from "../../state/photo";
import { usePainting } from "../../state/usePainting";
import { useShortcuts } from "../../state/useShortcuts";
import type { Work } from "../../state/useWork";
import { FillPanel } from "./FillPanel";
import { type CanvasHandle, MaskCanvas } from "./MaskCanvas";
import { MaskToolbar } from "./MaskToolbar";
import { RectangleDialog } from "./RectangleDialog";

/** Of what is removed: raspberry, which shows on grass, fur and snow; of what is protected: teal. */
export const COLOURS: Colours = [
  [0, 0, 0],
  [226, 36, 112],
  [10, 158, 140],
];
const ZOOM = 1.4;

interface Props {
  studio: Studio;
  run: Run | null;
  work: Work & { photo: Photo; painting: Painting };
  choices: Choices;
  onChoices: (choices: Choices) => void;
  busy: boolean;
  problem: string | null;
  onFill: () => void;
  onSearch: () => void;
  onCutOut: () => void;
  onRefine: () => void;
}

/** The photo with its tools above, and beside it what is to become of it. */
export function PaintSection(props: Props) {
  const { studio, work, busy, onFill } = props;
  const { photo, painting } = work;
  const [tool, setTool] = useState<Tool>("brush");
  const [label, setLabel] = useState(REMOVE);
  const [size, setSize] = useState(() => firstSize(photo));
  const [scale, setScale] = useState(1);
  const [numbers, setNumbers] = useState(false);
  const canvas = useRef<CanvasHandle>(null);
  usePainting(painting);
  const { width, height } = photo;
  useEffect(() => setSize(firstSize({ width, height })), [width, height]);

  const undo = () => painting.undo();
  const redo = () => painting.redo();
  const zoom = (factor: number) => canvas.current?.zoom(factor);
  useShortcuts({
    b: () => setTool("brush"),
    e: () => setTool("eraser"),
    r: () => setTool("rectangle"),
    l: () => setTool("lasso"),
    h: () => setTool("pan"),
    n: () => setNumbers(true),
    x: () => setLabel((had) => (had === REMOVE ? PROTECT : REMOVE)),
    "[": () => setSize((had) => stepped(had, false)),
    "]": () => setSize((had) => stepped(had, true)),
    "mod+z": undo,
    "mod+shift+z": redo,
    "mod+y": redo,
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    "0": () => canvas.current?.fit(),
    i: () => painting.invert(label),
    delete: () => painting.clear(),
    "mod+enter": () => {
      if (!busy && painting.count(REMOVE) > 0 && !choicesProblem(props.choices)) onFill();
    },
  });

  return (
    <Box
      id="paint"
      component="section"
      aria-label="Paint"
      sx={{
        display: "grid",
        gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "minmax(0, 1fr) 340px" },
        gap: { xs: 2, md: 3 },
        alignItems: "start",
      }}
    >
      <Stack spacing={1.5}>
        <MaskToolbar
          tool={tool}
          onTool={setTool}
          size={size}
          onSize={setSize}
          painting={painting}
          scale={scale}
          onZoom={zoom}
          onFit={() => canvas.current?.fit()}
        />
        <MaskCanvas
          ref={canvas}
          name={`Photo, ${width} by ${height} pixels: paint over what is to go. Without a pointer, give a rectangle in numbers with N.`}
          photo={photo}
          painting={painting}
          tool={tool}
          label={label}
          size={size}
          colours={COLOURS}
          height={{ xs: "54vh", md: "min(74vh, 860px)" }}
          onSize={setSize}
          onScale={setScale}
        />
      </Stack>
      <Paper variant="outlined" sx={{ p: 3, borderRadius: "22px" }}>
        <FillPanel
          {...props}
          maxBytes={studio.limits.maxBytes}
          label={label}
          onLabel={setLabel}
          onNumbers={() => setNumbers(true)}
        />
      </Paper>
      <RectangleDialog
        open={numbers}
        photo={photo}
        onClose={() => setNumbers(false)}
        onRectangle={([x, y, wide, high]) =>
          painting.rectangle({ x0: x, y0: y, x1: x + wide, y1: y + high }, label)
        }
      />
    </Box>
  );
}
