import Box from "@mui/material/Box";
import Typography from "@mui/material/Typography";
import type { Version } from "../../api/types";
import { reportWords } from "../../words/report";

/** How a version came about, in words; all of the report for whoever wants it. */
export function ReportWords({ version }: { version: Version }) {
  const words = reportWords(version);
  return (
    <Box>
      <Typography variant="h3" component="h4" gutterBottom>
        How it was made
      </Typography>
      {words.length === 0 && <Typography color="textSecondary">As it came.</Typography>}
      <Box component="ul" sx={{ m: 0, pl: 2.25, color: "text.secondary" }}>
        {words.map((one) => (
          <Typography component="li" variant="body2" key={one} sx={{ overflowWrap: "anywhere" }}>
            {one}
          </Typography>
        ))}
      </Box>
      {version.report && (
        <Box component="details" sx={{ mt: 1 }}>
          <Typography component="summary" variant="body2" sx={{ cursor: "pointer" }}>
            Whole report
          </Typography>
          <Box
            component="pre"
            tabIndex={0}
            aria-label="Whole report"
            sx={{
              maxHeight: 260,
              overflow: "auto",
              fontSize: 12,
              p: 1.5,
              borderRadius: "10px",
              bgcolor: "action.hover",
            }}
          >
            {JSON.stringify(version.report, null, 2)}
          </Box>
        </Box>
      )}
    </Box>
  );
}
