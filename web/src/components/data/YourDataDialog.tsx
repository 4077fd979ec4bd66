import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Dialog from "@mui/material/Dialog";
import DialogActions from "@mui/material/DialogActions";
import DialogContent from "@mui/material/DialogContent";
import DialogTitle from "@mui/material/DialogTitle";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { Download, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { exportUrl } from "../../api/client";
import { deletedWords } from "../../words/data";
import { DeleteForm } from "./DeleteForm";
import { UsageMeters } from "./UsageMeters";

interface Props {
  open: boolean;
  user: string;
  /** Told whether everything was deleted. */
  onClose: (deleted: boolean) => void;
  onSignedOut: () => void;
  onDeleted: () => void;
}

/** What is kept of the user: how much, a copy of it, and its deletion. */
export function YourDataDialog({ open, user, onClose, onSignedOut, onDeleted }: Props) {
  const [asking, setAsking] = useState(false);
  const [kept, setKept] = useState(false);
  const [busy, setBusy] = useState(false);
  const [counts, setCounts] = useState<Record<string, number> | null>(null);
  useEffect(() => {
    if (!open) return;
    setAsking(false);
    setKept(false);
    setCounts(null);
  }, [open]);
  const close = () => !busy && onClose(counts !== null);
  const title = counts ? "Everything is deleted" : asking ? "Delete everything?" : "Your data";
  return (
    <Dialog
      open={open}
      onClose={close}
      aria-labelledby="your-data"
      maxWidth="xs"
      fullWidth
      slotProps={{
        paper: { sx: { m: { xs: 1.5, sm: 4 }, width: { xs: "calc(100% - 24px)", sm: 1 } } },
      }}
    >
      <DialogTitle id="your-data" variant="h2">
        {title}
      </DialogTitle>
      <DialogContent>
        {counts ? (
          <Gone counts={counts} />
        ) : asking ? (
          <DeleteForm
            user={user}
            busy={busy}
            onBusy={setBusy}
            onKeep={() => {
              setAsking(false);
              setKept(true);
            }}
            onSignedOut={onSignedOut}
            onDeleted={(deleted) => {
              setCounts(deleted);
              onDeleted();
            }}
          />
        ) : (
          <Stack spacing={3.5}>
            <UsageMeters user={user} />
            <Stack component="section" aria-labelledby="copy" spacing={1}>
              <Typography id="copy" variant="h3">
                A copy of everything
              </Typography>
              <Typography variant="body2" color="textSecondary">
                Pictures, masks, reports, ratings and records, as one ZIP file.
              </Typography>
              {/* The browser saves it as it comes: it may be larger than its memory. */}
              <Button
                component="a"
                href={exportUrl(user)}
                download
                variant="outlined"
                startIcon={<Download size={18} />}
                sx={{ alignSelf: "start" }}
              >
                Download my data
              </Button>
            </Stack>
            <Stack component="section" aria-labelledby="deletion" spacing={1}>
              <Typography id="deletion" variant="h3">
                Deletion
              </Typography>
              <Typography variant="body2" color="textSecondary">
                All that is kept of you goes, at once and for good. You are asked first.
              </Typography>
              <Button
                variant="outlined"
                color="error"
                startIcon={<Trash2 size={18} />}
                // Where the focus was before the question.
                autoFocus={kept}
                onClick={() => setAsking(true)}
                sx={{ alignSelf: "start" }}
              >
                Delete everything
              </Button>
            </Stack>
          </Stack>
        )}
      </DialogContent>
      {(counts || !asking) && (
        <DialogActions>
          <Button key={counts ? "gone" : "look"} onClick={close} autoFocus={counts !== null}>
            Close
          </Button>
        </DialogActions>
      )}
    </Dialog>
  );
}

function Gone({ counts }: { counts: Record<string, number> }) {
  const words = deletedWords(counts);
  return (
    <Box role="status">
      {words.length ? (
        <>
          <Typography>Deleted for good:</Typography>
          <Box component="ul" sx={{ my: 1, pl: 3 }}>
            {words.map((one) => (
              <Typography key={one} component="li">
                {one}
              </Typography>
            ))}
          </Box>
        </>
      ) : (
        <Typography gutterBottom>There was nothing to delete.</Typography>
      )}
      <Typography color="textSecondary">You can begin with a new picture at any time.</Typography>
    </Box>
  );
}
