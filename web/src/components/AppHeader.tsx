import Box from "@mui/material/Box";
import Button from "@mui/material/Button";
import Container from "@mui/material/Container";
import Link from "@mui/material/Link";
import Typography from "@mui/material/Typography";
import { Images, Keyboard, LogOut } from "lucide-react";
import { useState } from "react";
import { signOut } from "../api/client";
import type { Studio } from "../api/types";
import paw from "../assets/paw.svg";
import { goTo } from "../route";
import { clearDrafts } from "../state/drafts";
import { useShortcuts } from "../state/useShortcuts";
import { ModeButton } from "./ModeButton";
import { RunsDrawer } from "./RunsDrawer";
import { ShortcutsDialog } from "./ShortcutsDialog";
import { ToolButton } from "./ToolButton";

interface Props {
  studio: Studio | null;
  onSignedOut: () => void;
  /** Everything of the user's is deleted. */
  onDeleted: () => void;
}

export function AppHeader({ studio, onSignedOut, onDeleted }: Props) {
  const [help, setHelp] = useState(false);
  const [runs, setRuns] = useState(false);
  const open = studio && (studio.signedIn || !studio.needsKey);
  useShortcuts({ "?": () => setHelp(true) });
  const leave = async () => {
    // Photos and masks do not stay behind, whatever the server says.
    await Promise.allSettled([signOut(), clearDrafts()]);
    onSignedOut();
  };
  return (
    <Container component="header" maxWidth="xl">
      <Box sx={{ display: "flex", alignItems: "center", gap: 1, py: 2 }}>
        <Link
          href="/"
          underline="none"
          color="text.primary"
          aria-label="Pawfect, a new picture"
          onClick={(event) => {
            if (event.ctrlKey || event.metaKey || event.shiftKey) return;
            event.preventDefault();
            goTo(null);
          }}
          sx={{
            display: "flex",
            alignItems: "center",
            gap: 1.25,
            mr: "auto",
            borderRadius: "10px",
          }}
        >
          <img src={paw} alt="" width={34} height={34} />
          <Typography component="span" variant="h2" sx={{ letterSpacing: "-0.02em" }}>
            Pawfect
          </Typography>
        </Link>
        {open && (
          <Button
            color="inherit"
            aria-label="Your pictures"
            onClick={() => setRuns(true)}
            sx={{ minWidth: 40, px: { xs: 1, sm: 2 }, gap: 1 }}
          >
            <Images size={20} aria-hidden />
            <Box component="span" sx={{ display: { xs: "none", sm: "inline" } }}>
              Your pictures
            </Box>
          </Button>
        )}
        <ToolButton
          name="Keyboard shortcuts"
          shortcut="?"
          icon={<Keyboard size={20} />}
          onClick={() => setHelp(true)}
        />
        <ModeButton />
        {studio?.needsKey && studio.signedIn && (
          <ToolButton
            name={`Sign out${studio.user ? ` ${studio.user}` : ""}`}
            icon={<LogOut size={20} />}
            onClick={() => void leave()}
          />
        )}
      </Box>
      <ShortcutsDialog open={help} onClose={() => setHelp(false)} />
      {open && (
        <RunsDrawer
          open={runs}
          user={studio.user}
          onClose={() => setRuns(false)}
          onSignedOut={onSignedOut}
          onDeleted={onDeleted}
        />
      )}
    </Container>
  );
}
