import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Typography from "@mui/material/Typography";
import { Columns2 } from "lucide-react";
import { useState } from "react";
import type { Version } from "../../api/types";
import { searchOf } from "../../state/candidates";
import { agreementWords } from "../../words/candidates";
import { BlindDialog } from "./BlindDialog";
import { CandidateCards } from "./CandidateCards";

interface Props {
  runId: string;
  version: Version;
  onLook: () => void;
}

/** All that a search has tried, and a way to say whether it chose well. */
export function SearchFound({ runId, version, onLook }: Props) {
  const [open, setOpen] = useState(false);
  const search = searchOf(version);
  const made = search.candidates.filter((one) => one.error === null);
  return (
    <Box component="section" aria-labelledby={`found-${version.version}`} sx={{ mt: 3 }}>
      <Box sx={{ display: "flex", alignItems: "center", gap: 1.5, flexWrap: "wrap", mb: 1.5 }}>
        <Typography id={`found-${version.version}`} variant="h3" component="h4" sx={{ mr: "auto" }}>
          All that was tried
        </Typography>
        {made.length > 1 && search.sheet && search.picture && (
          <Button startIcon={<Columns2 size={17} />} onClick={() => setOpen(true)}>
            Compare two, blind
          </Button>
        )}
      </Box>
      {version.agreement && (
        <Typography variant="body2" color="textSecondary" sx={{ mb: 1.5 }}>
          {agreementWords(version.agreement)}
        </Typography>
      )}
      <CandidateCards {...search} />
      <BlindDialog
        runId={runId}
        version={version}
        open={open}
        onClose={() => setOpen(false)}
        onChosen={onLook}
      />
    </Box>
  );
}
