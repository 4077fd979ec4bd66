import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import { useEffect, useState } from "react";
import { ConsentTick } from "./ConsentTick";

interface Props {
  open: boolean;
  onClose: () => void;
  onAgreed: () => void;
}

/** Asks for consent before a face is swapped once more: it is for one time. */
export function ConsentDialog({ open, onClose, onAgreed }: Props) {
  const [ticked, setTicked] = useState(false);
  useEffect(() => {
    if (open) setTicked(false);
  }, [open]);
  return (
    <Dialog open={open} onClose={onClose} aria-labelledby="consent" maxWidth="xs">
      <DialogTitle id="consent" variant="h2">
        Swap it again?
      </DialogTitle>
      <DialogContent>
        <ConsentTick ticked={ticked} onTick={setTicked} />
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button variant="contained" disabled={!ticked} onClick={onAgreed}>
          Swap the face
        </Button>
      </DialogActions>
    </Dialog>
  );
}
