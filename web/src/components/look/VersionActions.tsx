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
  const { edited } = version.links;
  // The first is what most people want; PNG is without loss, and has a cut-out's transparency.
  const files = [
    ...(edited ? [["JPG", edited] as const] : []),
    ...(version.imageUrl ? [[kindOf(version.imageUrl), version.imageUrl] as const] : []),
  ];
  const small = { size: "small", variant: "outlined", color: "inherit" } as const;
  const line = { borderColor: "divider", px: 1.75 };
  return (
    <Box
      role="group"
      aria-label={`Actions of ${name}`}
      sx={{ display: "flex", flexWrap: "wrap", gap: 1 }}
    >
      {files.map(([kind, url], index) => (
        <Button
          key={kind}
          {...(index ? { ...small, sx: line } : { size: "small", variant: "contained" })}
          component="a"
          href={url}
          download={`pawfect-${name}.${kind.toLowerCase()}`}
          aria-label={index ? `Download as ${kind}` : undefined}
          startIcon={<Download size={16} />}
        >
          {index ? kind : "Download"}
        </Button>
      ))}
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

function kindOf(url: string): string {
  return (/\.(\w+)(?=\?|$)/.exec(url)?.[1] ?? "png").toUpperCase();
}
