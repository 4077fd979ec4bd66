import Alert from "@mui/material/Alert";
import Container from "@mui/material/Container";
import CssBaseline from "@mui/material/CssBaseline";
import { ThemeProvider } from "@mui/material/styles";
import { useState } from "react";
import { AppHeader } from "./components/AppHeader";
import { NoticeProvider } from "./components/NoticeProvider";
import { SignIn } from "./components/SignIn";
import { StudioPage } from "./components/StudioPage";
import { goTo } from "./route";
import { isStarting, useStudio } from "./state/useStudio";
import { theme } from "./theme";

/** The page: who is signed in decides what is shown. */
export function App() {
  const { studio, away, look } = useStudio();
  // Nothing of what was in hand is left once all data are deleted: the studio begins anew.
  const [beginning, setBeginning] = useState(0);
  const startAnew = () => {
    setBeginning((n) => n + 1);
    goTo(null);
  };
  const open = studio && (studio.signedIn || !studio.needsKey);
  return (
    <ThemeProvider theme={theme} defaultMode="system">
      <CssBaseline />
      <NoticeProvider>
        <AppHeader studio={studio} onSignedOut={look} onDeleted={startAnew} />
        <Container component="main" maxWidth="xl" sx={{ pb: 10 }}>
          {away && (
            <Alert severity="warning" role="status" sx={{ mb: 2 }}>
              The server does not answer. What you have marked is safe here; this page goes on by
              itself once it is back.
            </Alert>
          )}
          {studio && open && !away && isStarting(studio) && (
            <Alert severity="info" role="status" sx={{ mb: 2 }}>
              The server is still starting. You can begin to paint; what you send waits for it.
            </Alert>
          )}
          {studio && !open && <SignIn onSignedIn={look} />}
          {open && <StudioPage key={beginning} studio={studio} onSignedOut={look} />}
        </Container>
      </NoticeProvider>
    </ThemeProvider>
  );
}
