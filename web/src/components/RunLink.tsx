import Box from "@mui/material/Box";
import Link from "@mui/material/Link";
import Typography from "@mui/material/Typography";
import { ImageOff } from "lucide-react";
import type { RunSummary } from "../api/types";
import { goTo } from "../route";
import { statusName } from "../words/versions";

/** A run in the list of them. */
export function RunLink({ run, onClose }: { run: RunSummary; onClose: () => void }) {
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
