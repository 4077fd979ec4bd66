import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { useRef, useState } from "react";
import { keysOfFrame, pannedBy, useWheelZoom, type ZoomHand } from "../../state/useZoom";
import { ZoomPicture } from "./ZoomPicture";

interface Props {
  src: string;
  name: string;
  transparent: boolean;
  hand: ZoomHand;
}

/** One picture of several that are zoomed and moved in step. */
export function ZoomPane({ src, name, transparent, hand }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const drag = useRef<{ x: number; y: number } | null>(null);
  const [ratio, setRatio] = useState(4 / 3);
  useWheelZoom(frame, hand.set);
  const drop = () => {
    drag.current = null;
  };
  return (
    <Box component="figure" sx={{ m: 0 }}>
      <Box
        ref={frame}
        {...keysOfFrame(hand, name)}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerMove={(event) => {
          const from = drag.current;
          if (!from) return;
          const { width, height } = event.currentTarget.getBoundingClientRect();
          const [dx, dy] = [(event.clientX - from.x) / width, (event.clientY - from.y) / height];
          hand.set((zoom) => pannedBy(zoom, dx, dy));
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerUp={drop}
        onPointerCancel={drop}
        style={{ aspectRatio: ratio, maxWidth: `calc(66vh * ${ratio})` }}
        sx={{
          position: "relative",
          width: 1,
          overflow: "hidden",
          borderRadius: "14px",
          bgcolor: "var(--stage)",
          cursor: hand.zoom.scale > 1 ? "grab" : "default",
          touchAction: hand.zoom.scale > 1 ? "none" : "pan-y",
        }}
      >
        <ZoomPicture
          src={src}
          alt={name}
          zoom={hand.zoom}
          transparent={transparent}
          onSize={(width, height) => setRatio(width / height)}
        />
      </Box>
      <Typography component="figcaption" variant="body2" sx={{ mt: 0.75, fontWeight: 600 }}>
        {name}
      </Typography>
    </Box>
  );
}
