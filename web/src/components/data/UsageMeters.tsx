import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import LinearProgress from "@mui/material/LinearProgress";
import Stack from "@mui/material/Stack";
import Typography from "@mui/material/Typography";
import { useEffect, useState } from "react";
import { usageOf } from "../../api/client";
import { type Meter, metersOf } from "../../words/data";

/** What is used of the quotas; nothing where there are none. */
export function UsageMeters({ user }: { user: string }) {
  const [meters, setMeters] = useState<Meter[]>([]);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let left = false;
    usageOf(user).then(
      (usage) => !left && setMeters(metersOf(usage)),
      (error: Error) => !left && setProblem(error.message),
    );
    return () => {
      left = true;
    };
  }, [user]);
  if (problem) return <Alert severity="error">What is used cannot be shown. {problem}</Alert>;
  if (!meters.length) return null;
  return (
    <Stack component="section" spacing={1.5} aria-labelledby="used">
      <Typography id="used" variant="h3">
        What you use
      </Typography>
      {meters.map(({ name, words, share }) => (
        <div key={name}>
          <Box sx={{ display: "flex", flexWrap: "wrap", columnGap: 2, mb: 0.5 }}>
            <Typography variant="body2" sx={{ mr: "auto" }}>
              {name}
            </Typography>
            <Typography variant="body2" color="textSecondary">
              {words}
            </Typography>
          </Box>
          <LinearProgress
            variant="determinate"
            value={Math.round(share * 100)}
            color={share < 1 ? "primary" : "error"}
            aria-label={name}
            aria-valuetext={words}
            sx={{ height: 8, borderRadius: "16px" }}
          />
        </div>
      ))}
    </Stack>
  );
}
