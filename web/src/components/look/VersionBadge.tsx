import Box from "@mui/material/Box";

// Each kind has a shape of its own beside its number, so that colour says nothing alone.
const SHAPES: Record<string, string> = {
  inpaint: "M3 1h20a3 3 0 0 1 3 3v20a3 3 0 0 1-3 3H3a3 3 0 0 1-3-3V4a3 3 0 0 1 3-3z",
  cutout: "M13 0l13 7.5v13L13 28 0 20.500v-13z",
  import: "M13 1a13 13 0 1 1 0 26 13 13 0 0 1 0-26z",
  search: "M13 0l14 14-14 14L-1 14z",
  swap: "M13 0c8 0 13 5 13 12.500S20 28 13 28 0 20 0 12.500 5 0 13 0z",
  refine:
    "M13 0l3.700 5.600 6.500-1.700.5 6.700L30 13.500l-4.800 4.800 1 6.600-6.700.4L16 31l-5.600-3.700-6.500 1.300-.2-6.700L-2 18l3.500-5.700L-.2 5.800l6.600-1.200z",
};

interface Props {
  version: number;
  kind: string;
}

/** v1, v2 ... in the shape of what made it. */
export function VersionBadge({ version, kind }: Props) {
  return (
    <Box
      component="svg"
      viewBox="-3 -3 34 36"
      role="img"
      aria-label={`Version ${version}`}
      sx={{ width: 50, height: 50, flexShrink: 0, color: "primary.main" }}
    >
      <path d={SHAPES[kind] ?? SHAPES.inpaint} fill="currentColor" />
      <Box
        component="text"
        x={kind === "refine" ? 14 : 13}
        y={kind === "refine" ? 20 : 18.5}
        textAnchor="middle"
        sx={{ fontSize: 12, fontWeight: 750, fill: "var(--mui-palette-primary-contrastText)" }}
      >
        {`v${version}`}
      </Box>
    </Box>
  );
}
