import Box from "@mui/material/Box";
import { Maximize, ZoomIn, ZoomOut } from "lucide-react";
import type { ZoomHand } from "../../state/useZoom";
import { ToolButton } from "../ToolButton";

/** Nearer, farther, whole; for pictures that are zoomed in step. */
export function ZoomButtons({ hand }: { hand: ZoomHand }) {
  return (
    <Box role="group" aria-label="Zoom" sx={{ display: "flex" }}>
      <ToolButton
        name="Zoom out"
        icon={<ZoomOut size={19} />}
        disabled={hand.zoom.scale === 1}
        onClick={hand.farther}
      />
      <ToolButton name="Zoom in" icon={<ZoomIn size={19} />} onClick={hand.nearer} />
      <ToolButton
        name="Show all"
        icon={<Maximize size={18} />}
        disabled={hand.zoom.scale === 1}
        onClick={hand.whole}
      />
    </Box>
  );
}
