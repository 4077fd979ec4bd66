import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import { Brush, Columns2, Dices, Download, Sparkles } from "lucide-react";
import type { Version } from "../../api/types";
import { isBase } from "../../words/versions";

interface Props {
  version: Version;
  busy: boolean;
  onRetry: () => void;
  onGoOn: () => void;
  onRefine: () => void;
  onCompare: () => void;
}

/** What can be done with a finished version. */
export function VersionActions({ version, busy, onRetry, onGoOn, onRefine, onCompare }: Props) {
  const base = isBase(version);
  const name = `v${version.version}`;
  const small = { size: "small", variant: "outlined", color: "inherit" } as const;
  const line = { borderColor: "divider", px: 1.75 };
  return (
    <Box
      role="group"
      aria-label={`Actions of ${name}`}
      sx={{ display: "flex", flexWrap: "wrap", gap: 1 }}
    >
      <Button
        size="small"
        variant="contained"
        component="a"
        href={version.imageUrl ?? ""}
        download={`pawfect-${name}${/\.\w+(?=\?|$)/.exec(version.imageUrl ?? "")?.[0] ?? ""}`}
        startIcon={<Download size={16} />}
      >
        Download
      </Button>
      {base && (
        <Button {...small} sx={line} startIcon={<Sparkles size={16} />} onClick={onRefine}>
          Refine
        </Button>
      )}
      {base && (
        <Button {...small} sx={line} startIcon={<Brush size={16} />} onClick={onGoOn}>
          Paint on it
        </Button>
      )}
      {version.kind !== "import" && version.kind !== "cutout" && (
        <Button
          {...small}
          sx={line}
          disabled={busy}
          startIcon={<Dices size={16} />}
          onClick={onRetry}
        >
          Another seed
        </Button>
      )}
      <Button {...small} sx={line} startIcon={<Columns2 size={16} />} onClick={onCompare}>
        Compare
      </Button>
    </Box>
  );
}
