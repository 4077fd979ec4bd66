import Alert, { type AlertColor } from "@mui/material/Alert";
import Snackbar from "@mui/material/Snackbar";
import { createContext, type ReactNode, useCallback, useContext, useState } from "react";

type Say = (words: string, severity?: AlertColor) => void;

const Notice = createContext<Say>(() => {});

/** Return what tells the user something in passing; screen readers hear it. */
export function useNotice(): Say {
  return useContext(Notice);
}

export function NoticeProvider({ children }: { children: ReactNode }) {
  const [told, setTold] = useState<{ words: string; severity: AlertColor; key: number } | null>(
    null,
  );
  const [open, setOpen] = useState(false);
  const say = useCallback<Say>((words, severity = "info") => {
    setTold((last) => ({ words, severity, key: (last?.key ?? 0) + 1 }));
    setOpen(true);
  }, []);
  return (
    <Notice value={say}>
      {children}
      <Snackbar
        key={told?.key}
        open={open}
        autoHideDuration={told?.severity === "error" ? null : 6_000}
        onClose={(_, reason) => reason !== "clickaway" && setOpen(false)}
        anchorOrigin={{ vertical: "bottom", horizontal: "center" }}
      >
        <Alert
          severity={told?.severity ?? "info"}
          variant="filled"
          onClose={() => setOpen(false)}
          sx={{ maxWidth: 560 }}
        >
          {told?.words}
        </Alert>
      </Snackbar>
    </Notice>
  );
}
