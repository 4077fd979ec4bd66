import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Typography from "@mui/material/Typography";

const KEYS: readonly (readonly [string, string])[] = [
  ["B", "Brush"],
  ["E", "Eraser"],
  ["R", "Rectangle"],
  ["L", "Lasso"],
  ["H, or hold Space", "Move the photo"],
  ["[ and ]", "Smaller and larger brush"],
  ["X", "Change between remove and protect"],
  ["N", "Rectangle by numbers"],
  ["Ctrl Z", "Undo"],
  ["Ctrl Shift Z", "Redo"],
  ["+ and −", "Zoom in and out"],
  ["Arrow keys", "Move an enlarged picture that has the focus"],
  ["0", "Show all of the photo"],
  ["I", "Invert the mask"],
  ["Delete", "Clear the mask"],
  ["Ctrl Enter", "Remove what is marked"],
  ["?", "This help"],
];
const POINTER: readonly (readonly [string, string])[] = [
  ["Wheel", "Size of the brush; with other tools, zoom"],
  ["Ctrl and wheel, or pinch", "Zoom"],
  ["Middle button, or two fingers", "Move the photo"],
  ["Right button, or Alt", "Erase with any tool"],
  ["Shift and click", "Straight line from the last stroke"],
];

interface Props {
  open: boolean;
  onClose: () => void;
}

export function ShortcutsDialog({ open, onClose }: Props) {
  return (
    <Dialog open={open} onClose={onClose} aria-labelledby="shortcuts" maxWidth="sm" fullWidth>
      <DialogTitle id="shortcuts" variant="h2">
        Keys and gestures
      </DialogTitle>
      <DialogContent tabIndex={0} aria-label="Keys and gestures">
        {[KEYS, POINTER].map((rows) => (
          <Box
            key={rows[0]![0]}
            component="dl"
            sx={{
              display: "grid",
              gridTemplateColumns: "minmax(0, 2fr) minmax(0, 3fr)",
              gap: 1,
              columnGap: 3,
            }}
          >
            {rows.map(([keys, does]) => (
              <Box key={keys} sx={{ display: "contents" }}>
                <Typography component="dt" variant="body2" sx={{ fontWeight: 650 }}>
                  {keys}
                </Typography>
                <Typography component="dd" variant="body2" color="textSecondary" sx={{ m: 0 }}>
                  {does}
                </Typography>
              </Box>
            ))}
          </Box>
        ))}
        <Typography variant="body2" color="textSecondary">
          Everything but free drawing works with keys alone: Tab goes from one to the next, and a
          rectangle can be given in numbers.
        </Typography>
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose} autoFocus>
          Close
        </Button>
      </DialogActions>
    </Dialog>
  );
}
