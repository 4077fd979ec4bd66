import Box from "@mui/material/Box";
import TextField from "@mui/material/TextField";
import type { Bbox } from "../api/payloads";
import type { Size } from "../mask/view";

const NAMES = ["Left", "Top", "Width", "Height"] as const;

interface Props {
  bbox: Bbox;
  photo: Size;
  onBbox: (bbox: Bbox) => void;
  /** Of which box, for screen readers. */
  of?: string;
  /** Begin in the first field. */
  focused?: boolean;
}

/** A box in numbers, px of the photo. */
export function BoxFields({ bbox, photo, onBbox, of, focused = false }: Props) {
  return (
    <Box sx={{ display: "grid", gridTemplateColumns: "repeat(4, minmax(64px, 1fr))", gap: 1 }}>
      {NAMES.map((name, index) => (
        <TextField
          key={name}
          label={name}
          autoFocus={focused && index === 0}
          type="number"
          value={Number.isNaN(bbox[index]) ? "" : bbox[index]}
          onChange={(event) => {
            const next: Bbox = [...bbox];
            next[index] = event.target.value === "" ? Number.NaN : Number(event.target.value);
            onBbox(next);
          }}
          slotProps={{
            htmlInput: {
              min: index < 2 ? 0 : 1,
              max: index % 2 ? photo.height : photo.width,
              step: 1,
              "aria-label": of ? `${name} of ${of}, pixels` : `${name}, pixels`,
            },
          }}
        />
      ))}
    </Box>
  );
}
