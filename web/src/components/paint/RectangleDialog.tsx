import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Stack from "@mui/material/Stack";
import { useEffect, useState } from "react";
import { type Bbox, boxesProblem } from "../../api/payloads";
import type { Size } from "../../mask/view";
import { BoxFields } from "../BoxFields";

interface Props {
  open: boolean;
  photo: Size;
  onClose: () => void;
  onRectangle: (bbox: Bbox) => void;
}

/** A rectangle in numbers, for whoever has no pointer. */
export function RectangleDialog({ open, photo, onClose, onRectangle }: Props) {
  const [bbox, setBbox] = useState<Bbox>([0, 0, 0, 0]);
  const { width, height } = photo;
  useEffect(() => {
    const [x, y] = [Math.round(width / 3), Math.round(height / 3)];
    if (open) setBbox([x, y, x, y]);
  }, [open, width, height]);
  const problem = boxesProblem([bbox], width, height)?.replace("Box 1", "The rectangle");
  return (
    <Dialog open={open} onClose={onClose} aria-labelledby="rectangle">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (problem) return;
          onRectangle(bbox);
          onClose();
        }}
      >
        <DialogTitle id="rectangle" variant="h2">
          Rectangle by numbers
        </DialogTitle>
        <DialogContent>
          <Stack spacing={2} sx={{ pt: 1 }}>
            <BoxFields bbox={bbox} photo={photo} onBbox={setBbox} focused />
            {problem && <Alert severity="warning">{problem}</Alert>}
          </Stack>
        </DialogContent>
        <DialogActions>
          <Button onClick={onClose}>Close</Button>
          <Button type="submit" variant="contained" disabled={!!problem}>
            Mark it
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
