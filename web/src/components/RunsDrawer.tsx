import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Drawer from "@mui/material/Drawer";
import Link from "@mui/material/Link";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { ImageOff, X } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { listRuns } from "../api/client";
import type { RunSummary } from "../api/types";
import { goTo } from "../route";
import { statusName } from "../words/versions";
import { ToolButton } from "./ToolButton";

interface Props {
  open: boolean;
  onClose: () => void;
}

/** The caller's runs, newest first. */
export function RunsDrawer({ open, onClose }: Props) {
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
    </Drawer>
  );
}

function RunLink({ run, onClose }: { run: RunSummary; onClose: () => void }) {
  const when = new Date(run.createdAt * 1000);
  const many = run.versions === 1 ? "1 version" : `${run.versions} versions`;
  return (
    <Link
      href={`/runs/${encodeURIComponent(run.runId)}`}
      underline="none"
      color="textPrimary"
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        goTo(run.runId);
        onClose();
      }}
      sx={{
        display: "flex",
        gap: 2,
        p: 1,
        borderRadius: "14px",
        alignItems: "center",
        "&:hover": { bgcolor: "action.hover" },
      }}
    >
      {run.previewUrl ? (
        <Box
          component="img"
          src={run.previewUrl}
          alt=""
          loading="lazy"
          sx={{ width: 84, height: 64, objectFit: "cover", borderRadius: "10px" }}
        />
      ) : (
        <Box sx={{ width: 84, height: 64, display: "grid", placeItems: "center" }}>
          <ImageOff size={22} aria-hidden />
        </Box>
      )}
      <span>
        <Typography component="span" sx={{ fontWeight: 600, display: "block" }}>
          {when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}
        </Typography>
        <Typography component="span" variant="body2" color="textSecondary">
          {many}, {statusName(run.processingStatus).toLowerCase()}
        </Typography>
      </span>
    </Link>
  );
}
