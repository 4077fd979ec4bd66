import Alert from "@mui/material/Alert";
import Button from "@mui/material/Button";
import Paper from "@mui/material/Paper";
import Stack from "@mui/material/Stack";
import TextField from "@mui/material/TextField";
import Typography from "@mui/material/Typography";
import { type FormEvent, useState } from "react";
import { ApiError, signIn } from "../api/client";

export function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await signIn(key.trim());
      onSignedIn();
    } catch (error) {
      const unknown = error instanceof ApiError && error.status === 401;
      setProblem(unknown ? "That key is not known here." : (error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Paper
      component="form"
      variant="outlined"
      onSubmit={(event) => void submit(event)}
      sx={{
        maxWidth: 440,
        mx: "auto",
        mt: { xs: 4, md: 10 },
        p: { xs: 3, sm: 5 },
        borderRadius: "22px",
      }}
    >
      <Stack spacing={2.5}>
        <Typography variant="h1" sx={{ fontSize: "2rem" }}>
          Sign in
        </Typography>
        <Typography color="textSecondary">
          Use the API key that you were given. It stays with the server; this browser keeps a
          sign-in that ends by itself.
        </Typography>
        {/* A name for password managers, which keep a key by it. */}
        <input type="text" name="username" autoComplete="username" defaultValue="pawfect" hidden />
        <TextField
          label="API key"
          type="password"
          autoComplete="current-password"
          size="medium"
          value={key}
          required
          onChange={(event) => setKey(event.target.value)}
        />
        {problem && <Alert severity="error">{problem}</Alert>}
        <Button type="submit" variant="contained" size="large" disabled={!key.trim() || busy}>
          Sign in
        </Button>
      </Stack>
    </Paper>
  );
}
