import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Chip from "@mui/material/Chip";
import Paper from "@mui/material/Paper";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { Ban, CircleCheck, CircleX, Clock, LoaderCircle, RotateCcw } from "lucide-react";
import { useState } from "react";
import { photoUrl } from "../../api/client";
import { isOver, type Run, type Version } from "../../api/types";
import { isSearch } from "../../state/candidates";
import { retry, wasRemote } from "../../state/retry";
import { useFeed } from "../../state/useFeed";
import { changesOf } from "../../words/changes";
import { shownUrl, statusName, title, versionName } from "../../words/versions";
import { useNotice } from "../NoticeProvider";
import { SearchFound } from "../search/SearchFound";
import { ConsentDialog } from "../swap/ConsentDialog";
import { ChangeMap } from "./ChangeMap";
import { CompareSlider } from "./CompareSlider";
import { JobProgress } from "./JobProgress";
import { RemoteDialog } from "./RemoteDialog";
import { ReportWords } from "./ReportWords";
import { VersionActions } from "./VersionActions";
import { VersionBadge } from "./VersionBadge";
import { VersionRating } from "./VersionRating";

const ICONS = {
  pending: Clock,
  processing: LoaderCircle,
  completed: CircleCheck,
  failed: CircleX,
  cancelled: Ban,
};

interface Props {
  run: Run;
  version: Version;
  onRun: (run: Run) => void;
  onLook: () => void;
  onGoOn: () => void;
  onRefine: () => void;
  onCompare: () => void;
}

/** One version: what became of it, from what, and what can be done with it. */
export function VersionCard(props: Props) {
  const { run, version, onRun, onLook } = props;
  const [busy, setBusy] = useState(false);
  const [asking, setAsking] = useState(false);
  const say = useNotice();
  const { parent } = version;
  const over = isOver(version.processingStatus);
  // Events are ahead of the run, which is read again at their end.
  const feed = useFeed(over ? null : version.jobId);
  const status = over || !feed.status || feed.ended ? version.processingStatus : feed.status;
  const made = run.versions.find((one) => one.version === parent);
  const before =
    parent === 0 ? photoUrl(run.runId) : ((made && shownUrl(made)) ?? photoUrl(run.runId));
  const Icon = ICONS[status];
  const again = async (agreed = false) => {
    setAsking(false);
    setBusy(true);
    try {
      await retry(run, version, agreed);
      onLook();
    } catch (error) {
      say((error as Error).message, "error");
    } finally {
      setBusy(false);
    }
  };
  const swaps = version.kind === "swap";
  const tryAgain = () => (swaps || wasRemote(version) ? setAsking(true) : void again());
  const AskDialog = swaps ? ConsentDialog : RemoteDialog;
  const image = shownUrl(version);
  const changes = changesOf(version.report);
  return (
    <Paper
      component="article"
      variant="outlined"
      id={`v${version.version}`}
      tabIndex={-1}
      aria-label={`Version ${version.version}: ${title(version)}`}
      sx={{ p: { xs: 2, sm: 3 }, borderRadius: "22px", scrollMarginTop: 16, outlineOffset: 4 }}
    >
      <Box sx={{ display: "flex", gap: 2, alignItems: "center", mb: 2 }}>
        <VersionBadge version={version.version} kind={version.type ? "refine" : version.kind} />
        <Box sx={{ mr: "auto", minWidth: 0 }}>
          <Typography variant="h3">{title(version)}</Typography>
          <Typography variant="body2" color="textSecondary">
            from {versionName(parent)},{" "}
            {new Date(version.createdAt * 1000).toLocaleTimeString(undefined, {
              timeStyle: "short",
            })}
          </Typography>
        </Box>
        <Chip
          size="small"
          variant="outlined"
          icon={<Icon size={15} aria-hidden />}
          label={statusName(status)}
        />
      </Box>
      {!over && <JobProgress runId={run.runId} version={version} before={before} onLook={onLook} />}
      {(status === "failed" || status === "cancelled") && (
        <Alert
          severity={status === "failed" ? "error" : "info"}
          action={
            version.kind !== "import" && (
              <Button
                size="small"
                color="inherit"
                disabled={busy}
                startIcon={<RotateCcw size={15} />}
                onClick={tryAgain}
              >
                Try again
              </Button>
            )
          }
        >
          {status === "failed"
            ? (version.error?.message ?? "It did not work, and nobody knows why.")
            : "This one was cancelled. What it was made from is unchanged."}
        </Alert>
      )}
      <AskDialog open={asking} onClose={() => setAsking(false)} onAgreed={() => void again(true)} />
      {status === "completed" && image && (
        <Box
          sx={{
            display: "grid",
            gridTemplateColumns: { xs: "minmax(0, 1fr)", md: "minmax(0, 1fr) 320px" },
            gap: { xs: 2, md: 3 },
          }}
        >
          {version.kind === "import" ? (
            <Box
              component="img"
              src={image}
              alt="Your photo"
              loading="lazy"
              sx={{ width: 1, maxHeight: "70vh", objectFit: "contain", borderRadius: "14px" }}
            />
          ) : (
            <CompareSlider
              before={before}
              after={image}
              beforeName={parent === 0 ? "Original" : versionName(parent)}
              afterName={versionName(version.version)}
              transparent={version.kind === "cutout"}
            />
          )}
          <Stack spacing={2.5}>
            <ReportWords version={version} />
            {changes && <ChangeMap changes={changes} image={image} />}
            <VersionRating run={run} version={version} onRun={onRun} />
            <VersionActions {...props} busy={busy} onRetry={tryAgain} />
          </Stack>
        </Box>
      )}
      {status === "completed" && isSearch(version) && (
        <SearchFound runId={run.runId} version={version} onLook={onLook} />
      )}
    </Paper>
  );
}
