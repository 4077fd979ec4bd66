import Box from "@mui/material/Box";
import { MoveHorizontal } from "lucide-react";
import { type PointerEvent, useRef, useState } from "react";
import { keysOfFrame, pannedBy, useWheelZoom, useZoom, type ZoomHand } from "../../state/useZoom";
import { ZoomButtons } from "./ZoomButtons";
import { ZoomPicture } from "./ZoomPicture";

// Where the divider begins, %: what was made is seen first, and that there is a before.
const FIRST = 12;
// Of the divider, px: what a finger hits.
const NEAR = 28;

interface Props {
  before: string;
  after: string;
  beforeName: string;
  afterName: string;
  transparent?: boolean;
  /** Where others are zoomed in step; its own where not given. */
  hand?: ZoomHand;
}

const tag = {
  position: "absolute",
  top: 12,
  px: 1.25,
  py: 0.25,
  borderRadius: 99,
  fontSize: 13,
  fontWeight: 600,
  color: "#fff8ef",
  bgcolor: "rgb(23 18 15 / 78%)",
  pointerEvents: "none",
} as const;

/** Before and after on one another, parted by a line that is dragged or moved by arrow keys. */
export function CompareSlider(props: Props) {
  const { before, after, beforeName, afterName, transparent = false } = props;
  const own = useZoom();
  const hand = props.hand ?? own;
  const [place, setPlace] = useState(FIRST);
  const [ratio, setRatio] = useState(4 / 3);
  const frame = useRef<HTMLDivElement>(null);
  const drag = useRef<"line" | { x: number; y: number } | null>(null);
  useWheelZoom(frame, hand.set);

  const at = (event: PointerEvent) => {
    const { left, width } = frame.current!.getBoundingClientRect();
    return Math.min(Math.max(((event.clientX - left) / width) * 100, 0), 100);
  };
  const down = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const away = (Math.abs(at(event) - place) / 100) * event.currentTarget.clientWidth;
    if (hand.zoom.scale > 1 && away > NEAR) drag.current = { x: event.clientX, y: event.clientY };
    else {
      drag.current = "line";
      setPlace(at(event));
    }
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    const held = drag.current;
    if (held === "line") setPlace(at(event));
    else if (held) {
      const { width, height } = frame.current!.getBoundingClientRect();
      const [dx, dy] = [(event.clientX - held.x) / width, (event.clientY - held.y) / height];
      hand.set((zoom) => pannedBy(zoom, dx, dy));
      drag.current = { x: event.clientX, y: event.clientY };
    }
  };
  const drop = () => {
    drag.current = null;
  };
  return (
    <Box>
      <Box
        ref={frame}
        {...keysOfFrame(hand, `${beforeName} and ${afterName}`)}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={drop}
        onPointerCancel={drop}
        style={{ aspectRatio: ratio, maxWidth: `calc(72vh * ${ratio})` }}
        sx={{
          position: "relative",
          width: 1,
          mx: "auto",
          overflow: "hidden",
          borderRadius: "14px",
          bgcolor: "var(--stage)",
          cursor: "ew-resize",
          touchAction: "pan-y",
        }}
      >
        <ZoomPicture
          src={after}
          alt={`After: ${afterName}`}
          zoom={hand.zoom}
          transparent={transparent}
          onSize={(width, height) => setRatio(width / height)}
        />
        <Box
          style={{ clipPath: `inset(0 ${100 - place}% 0 0)` }}
          sx={{ position: "absolute", inset: 0 }}
        >
          <ZoomPicture src={before} alt={`Before: ${beforeName}`} zoom={hand.zoom} />
        </Box>
        <Box sx={{ ...tag, left: 12 }} style={{ opacity: place > 8 ? 1 : 0 }}>
          {beforeName}
        </Box>
        <Box sx={{ ...tag, right: 12 }} style={{ opacity: place < 92 ? 1 : 0 }}>
          {afterName}
        </Box>
        <Box
          component="input"
          type="range"
          min={0}
          max={100}
          step={1}
          value={Math.round(place)}
          aria-label={`Before and after: ${beforeName} and ${afterName}`}
          aria-valuetext={`${Math.round(place)} % ${beforeName}`}
          onChange={(event) => setPlace(Number(event.target.value))}
          sx={{
            position: "absolute",
            width: "1px",
            height: "1px",
            opacity: 0,
            pointerEvents: "none",
            "&:focus-visible + div > div": { outline: "3px solid #ffc4a3", outlineOffset: 3 },
          }}
        />
        <Box
          style={{ left: `${place}%` }}
          sx={{
            position: "absolute",
            top: 0,
            bottom: 0,
            width: 2,
            ml: "-1px",
            bgcolor: "#fff8ef",
            boxShadow: "0 0 6px rgb(0 0 0 / 55%)",
            pointerEvents: "none",
          }}
        >
          <Box
            sx={{
              position: "absolute",
              top: "50%",
              left: "50%",
              width: 40,
              height: 40,
              mt: "-20px",
              ml: "-20px",
              borderRadius: "50%",
              display: "grid",
              placeItems: "center",
              bgcolor: "#fff8ef",
              color: "#5a2a14",
              boxShadow: "0 2px 10px rgb(0 0 0 / 40%)",
            }}
          >
            <MoveHorizontal size={20} aria-hidden />
          </Box>
        </Box>
      </Box>
      {!props.hand && (
        <Box sx={{ display: "flex", justifyContent: "end", pt: 0.5 }}>
          <ZoomButtons hand={hand} />
        </Box>
      )}
    </Box>
  );
}
