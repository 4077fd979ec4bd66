import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Collapse from "@mui/material/Collapse";
import LinearProgress from "@mui/material/LinearProgress";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { ScrollText, X } from "lucide-react";
import { useState } from "react";
import { cancelVersion } from "../../api/client";
import type { Version } from "../../api/types";
import { isSearch } from "../../state/candidates";
import { useFeed } from "../../state/useFeed";
import { stageName } from "../../words/stages";
import { waitingWords } from "../../words/versions";
import { LogStream } from "../LogStream";
import { useNotice } from "../NoticeProvider";
import { CandidateCards } from "../search/CandidateCards";

interface Props {
  runId: string;
  version: Version;
  /** The picture that it is made from. */
  before: string;
  onLook: () => void;
}

/** A version in the making: what is done, how far, how it looks so far. */
export function JobProgress({ runId, version, before, onLook }: Props) {
  const feed = useFeed(version.jobId);
  const [log, setLog] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [gone, setGone] = useState<string | null>(null);
  const say = useNotice();
  // A preview lives as long as its job: one that has gone gives way to what there was before.
  const there = feed.preview === gone ? null : feed.preview;
  // That of a search shows all candidates, a cell each.
  const searching = isSearch(version);
  const preview = searching ? null : there;
  const status = feed.status ?? version.processingStatus;
  const progress = feed.status ? feed.progress : version.progress;
  const waits = status === "pending";
  const words = waits
    ? waitingWords(feed.status ? feed.waitingBefore : version.waitingBefore)
    : stageName(progress?.stage ?? "");
  const share = waits || progress?.share == null ? null : Math.round(progress.share * 100);
  const cancel = async () => {
    setLeaving(true);
    try {
      await cancelVersion(runId, version.version);
      onLook();
    } catch (error) {
      say((error as Error).message, "error");
      setLeaving(false);
    }
  };
  return (
    <Box
      sx={{
        display: "grid",
        gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "minmax(0, 1fr) 380px" },
        gap: { xs: 2, md: 4 },
        alignItems: "center",
      }}
    >
      <Box
        component="img"
        src={preview ?? before}
        alt={preview ? "How it looks so far" : "What it is made from"}
        onError={() => setGone(preview)}
        sx={{
          display: "block",
          width: 1,
          // Known before it is there, so that nothing moves when it comes.
          height: searching ? 200 : { xs: 250, md: "min(52vh, 520px)" },
          objectFit: "contain",
          borderRadius: "14px",
          bgcolor: "var(--stage)",
          filter: preview ? "none" : "saturate(0.55) opacity(0.6)",
        }}
      />
      <Stack spacing={2.5}>
        <Box>
          <Box sx={{ display: "flex", mb: 0.75 }}>
            <Typography role="status" sx={{ mr: "auto", fontWeight: 600 }}>
              {words}
            </Typography>
            {share !== null && <Typography>{share} %</Typography>}
          </Box>
          <LinearProgress
            aria-label={`Version ${version.version}`}
            variant={share === null ? "indeterminate" : "determinate"}
            value={share ?? 0}
            sx={{ height: 8, borderRadius: "16px" }}
          />
          {feed.connection === "lost" && (
            <Typography variant="body2" color="textSecondary" sx={{ mt: 1 }}>
              The connection broke. The work goes on, and so will this line.
            </Typography>
          )}
        </Box>
        <Box sx={{ display: "flex", gap: 1 }}>
          <Button
            variant="outlined"
            startIcon={<X size={17} />}
            disabled={leaving}
            onClick={() => void cancel()}
          >
            Cancel
          </Button>
          <Button
            startIcon={<ScrollText size={17} />}
            aria-expanded={log}
            onClick={() => setLog((had) => !had)}
          >
            {log ? "Hide the log" : "Show the log"}
          </Button>
        </Box>
        <Collapse in={log} unmountOnExit>
          <LogStream jobId={version.jobId} height={180} />
        </Collapse>
      </Stack>
      {searching && feed.candidates.length > 0 && (
        <Box sx={{ gridColumn: "1 / -1" }}>
          <Typography role="status" variant="body2" color="textSecondary" sx={{ mb: 1 }}>
            {feed.candidates.length} of {feed.sheet?.planned ?? "several"} tried
          </Typography>
          <CandidateCards
            candidates={feed.candidates}
            sheet={feed.sheet}
            picture={there}
            drawn={feed.drawn}
            best={null}
          />
        </Box>
      )}
    </Box>
  );
}
