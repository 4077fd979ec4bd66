import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Typography from "@mui/material/Typography";

interface Props {
  open: boolean;
  onClose: () => void;
  onAgreed: () => void;
}

/** Asks before a picture leaves the server once more: consent is for one time. */
export function RemoteDialog({ open, onClose, onAgreed }: Props) {
  return (
    <Dialog open={open} onClose={onClose} aria-labelledby="remote" maxWidth="xs">
      <DialogTitle id="remote" variant="h2">
        Send it again?
      </DialogTitle>
      <DialogContent>
        <Typography>
          This is done by another company's engine. Your picture is sent there once more.
        </Typography>
      </DialogContent>
      <DialogActions>
        <Button onClick={onClose}>Leave it</Button>
        <Button variant="contained" onClick={onAgreed}>
          Send my picture
        </Button>
      </DialogActions>
    </Dialog>
  );
}
