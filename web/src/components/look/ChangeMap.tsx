import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import type { Changes } from "../../words/changes";
import { percent } from "../../words/report";

// Of a cell's colours, in CIELAB: from here on it is marked as strongly as any.
const STRONG = 20;

interface Props {
  changes: Changes;
  /** The picture as it is now. */
  image: string;
}

/** Where a picture that was drawn anew changed: the stronger a cell's colour, the more. */
export function ChangeMap({ changes, image }: Props) {
  const { cells, share } = changes;
  const rows = cells.length;
  const columns = cells[0]!.length;
  const marked = cells.flatMap((row, y) =>
    row.flatMap((moved, x) => (moved ? [{ x, y, moved }] : [])),
  );
  return (
    <Box component="figure" sx={{ m: 0 }}>
      <Box sx={{ position: "relative", borderRadius: "14px", overflow: "hidden", lineHeight: 0 }}>
        <Box component="img" src={image} alt="" sx={{ width: 1, filter: "grayscale(1)" }} />
        <Box
          component="svg"
          viewBox={`0 0 ${columns} ${rows}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={`Map of what changed: ${percent(share)} of the picture`}
          sx={{ position: "absolute", inset: 0, width: 1, height: 1 }}
        >
          {marked.map(({ x, y, moved }) => (
            <rect
              key={`${x} ${y}`}
              x={x}
              y={y}
              width={1}
              height={1}
              fill="#e8590c"
              fillOpacity={Math.min(moved / STRONG, 1) * 0.75}
            />
          ))}
        </Box>
      </Box>
      <Typography component="figcaption" variant="body2" color="textSecondary" sx={{ mt: 0.5 }}>
        Where it changed: {percent(share)} of the picture.
      </Typography>
    </Box>
  );
}
