import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { Columns2 } from "lucide-react";
import { useEffect, useState } from "react";
import type { Run } from "../../api/types";
import { isBase } from "../../words/versions";
import { CompareDialog } from "./CompareDialog";
import { VersionCard } from "./VersionCard";

interface Props {
  run: Run;
  /** The version that this page has just asked for: it is scrolled to. */
  newest: number | null;
  onRun: (run: Run) => void;
  onLook: () => void;
  onGoOn: (version: number) => void;
  onRefine: (version: number) => void;
}

/** All versions, each under the one before it. */
export function VersionList({ run, newest, onRun, onLook, onGoOn, onRefine }: Props) {
  const [compared, setCompared] = useState<number | null>(null);
  const there = run.versions.some((one) => one.version === newest);
  useEffect(() => {
    if (!there) return;
    const card = document.getElementById(`v${newest}`);
    card?.scrollIntoView({ behavior: "smooth", block: "start" });
    card?.focus({ preventScroll: true });
  }, [there, newest]);
  const finished = run.versions.filter((one) => isBase(one) || one.kind === "cutout");
  return (
    <Box component="section" aria-labelledby="versions">
      <Box sx={{ display: "flex", alignItems: "center", mb: 2.5, gap: 2, flexWrap: "wrap" }}>
        <Typography id="versions" variant="h2" sx={{ mr: "auto", fontSize: "1.8rem" }}>
          Versions
        </Typography>
        {finished.length > 0 && (
          <Button
            startIcon={<Columns2 size={18} />}
            onClick={() => setCompared(finished.at(-1)!.version)}
          >
            Compare two
          </Button>
        )}
      </Box>
      <Stack component="ol" spacing={3} sx={{ listStyle: "none", p: 0, m: 0 }}>
        {run.versions.map((version) => (
          <li key={version.version}>
            <VersionCard
              run={run}
              version={version}
              onRun={onRun}
              onLook={onLook}
              onGoOn={() => onGoOn(version.version)}
              onRefine={() => onRefine(version.version)}
              onCompare={() => setCompared(version.version)}
            />
          </li>
        ))}
      </Stack>
      <CompareDialog run={run} first={compared} onClose={() => setCompared(null)} />
    </Box>
  );
}
