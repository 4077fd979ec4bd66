import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import { useEffect, useRef } from "react";
import { useFeed } from "../state/useFeed";

const CONNECTION = {
  connecting: "Connecting…",
  live: "Live",
  lost: "The connection broke; it is taken up again by itself.",
} as const;

/** What a job says, line by line, as it happens. */
export function LogStream({ jobId, height = 280 }: { jobId: string; height?: number }) {
  const { lines, connection, ended } = useFeed(jobId);
  const end = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new line scrolls.
  useEffect(() => {
    const box = end.current;
    if (box && follows.current) box.scrollTop = box.scrollHeight;
  }, [lines]);
  return (
    <Box>
      <Typography variant="body2" color="textSecondary" gutterBottom role="status">
        {ended ? "Over" : CONNECTION[connection]}
      </Typography>
      <Box
        ref={end}
        role="log"
        aria-label="Live log"
        // A box that scrolls is to be reached by keys.
        tabIndex={0}
        onScroll={({ currentTarget: box }) => {
          follows.current = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
        }}
        sx={{
          height,
          overflow: "auto",
          p: 2,
          borderRadius: "14px",
          bgcolor: "#17120f",
          color: "#f1e6da",
          fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
          fontSize: 13,
          lineHeight: 1.6,
          overflowWrap: "anywhere",
        }}
      >
        {lines.length === 0 && <span>{ended ? "It said nothing." : "Nothing said yet."}</span>}
        {lines.map(({ seq, at, line }) => (
          <Box key={seq} sx={{ display: "flex", gap: 1.5 }}>
            <Box component="span" sx={{ color: "#c5ad97", flexShrink: 0 }}>
              {new Date(at * 1000).toLocaleTimeString()}
            </Box>
            <span>{line}</span>
          </Box>
        ))}
      </Box>
    </Box>
  );
}
