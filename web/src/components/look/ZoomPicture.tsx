import Box from "@mui/material/Box";
import type { Zoom } from "../../state/useZoom";

interface Props {
  src: string;
  alt: string;
  zoom: Zoom;
  /** Show what is see-through as a checkerboard. */
  transparent?: boolean;
  onSize?: (width: number, height: number) => void;
}

/** A picture that fills its frame, enlarged as its neighbours are. */
export function ZoomPicture({ src, alt, zoom, transparent = false, onSize }: Props) {
  return (
    <Box
      component="img"
      src={src}
      alt={alt}
      draggable={false}
      loading="lazy"
      decoding="async"
      onLoad={(event) => {
        const { naturalWidth, naturalHeight } = event.currentTarget;
        onSize?.(naturalWidth, naturalHeight);
      }}
      style={{
        transform: `translate(${zoom.x * 100}%, ${zoom.y * 100}%) scale(${zoom.scale})`,
        imageRendering: zoom.scale > 6 ? "pixelated" : "auto",
      }}
      sx={{
        position: "absolute",
        inset: 0,
        width: 1,
        height: 1,
        objectFit: "contain",
        transformOrigin: "0 0",
        userSelect: "none",
        ...(transparent && {
          background: "repeating-conic-gradient(#bdb4aa 0% 25%, #e8e1d8 0% 50%) 0 0 / 24px 24px",
        }),
      }}
    />
  );
}
