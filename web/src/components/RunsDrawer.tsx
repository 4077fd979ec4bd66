import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Drawer from "@mui/material/Drawer";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { ShieldCheck, X } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { listRuns } from "../api/client";
import type { RunSummary } from "../api/types";
import { YourDataDialog } from "./data/YourDataDialog";
import { RunLink } from "./RunLink";
import { ToolButton } from "./ToolButton";

interface Props {
  open: boolean;
  user: string | null;
  onClose: () => void;
  onSignedOut: () => void;
  onDeleted: () => void;
}

/** The caller's runs, newest first, and what else is kept. */
export function RunsDrawer({ open, user, onClose, onSignedOut, onDeleted }: Props) {
  const [data, setData] = useState(false);
  const [runs, setRuns] = useState<RunSummary[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const load = useCallback(async (before?: string) => {
    setProblem(null);
    try {
      const found = await listRuns(before);
      setRuns((had) => (before && had ? [...had, ...found.runs] : found.runs));
      setNext(found.next);
    } catch (error) {
      setProblem((error as Error).message);
    }
  }, []);
  useEffect(() => {
    if (open) void load();
  }, [open, load]);
  const empty = () => {
    setRuns([]);
    setNext(null);
    setProblem(null);
    onDeleted();
  };
  return (
    <Drawer
      anchor="left"
      open={open}
      onClose={onClose}
      slotProps={{ paper: { role: "dialog", "aria-labelledby": "your-pictures" } }}
    >
      <Stack spacing={2} sx={{ width: "min(380px, 92vw)", p: 3 }}>
        <Box sx={{ display: "flex", alignItems: "center" }}>
          <Typography id="your-pictures" variant="h2" sx={{ mr: "auto" }}>
            Your pictures
          </Typography>
          <ToolButton name="Close" icon={<X size={20} />} onClick={onClose} />
        </Box>
        {user !== null && (
          <Button
            variant="outlined"
            startIcon={<ShieldCheck size={18} />}
            onClick={() => setData(true)}
          >
            Your data
          </Button>
        )}
        {problem && <Alert severity="error">{problem}</Alert>}
        {runs?.length === 0 && (
          <Typography color="textSecondary">
            Nothing here yet. What you make is kept and shows up here.
          </Typography>
        )}
        <Stack component="ul" spacing={1.25} sx={{ listStyle: "none", p: 0, m: 0 }}>
          {runs?.map((run) => (
            <li key={run.runId}>
              <RunLink run={run} onClose={onClose} />
            </li>
          ))}
        </Stack>
        {next && <Button onClick={() => void load(next)}>Show older ones</Button>}
      </Stack>
      {user !== null && (
        <YourDataDialog
          open={data}
          user={user}
          onClose={(deleted) => {
            setData(false);
            if (deleted) onClose();
          }}
          onSignedOut={onSignedOut}
          onDeleted={empty}
        />
      )}
    </Drawer>
  );
}
