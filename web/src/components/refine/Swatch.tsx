import Box from "@mui/material/Box";
import { REGION_COLOURS } from "./colours";

/** The colour of a drawn region. */
export function Swatch({ label }: { label: number }) {
  const [red, green, blue] = REGION_COLOURS[label % REGION_COLOURS.length]!;
  return (
    <Box
      component="span"
      sx={{
        width: 14,
        height: 14,
        borderRadius: "4px",
        border: "1.5px solid #fff8ef",
        bgcolor: `rgb(${red} ${green} ${blue})`,
      }}
    />
  );
}
