import Button from "@mui/material/Button";
import { useState } from "react";
import { fileOf } from "../api/client";
import example from "../assets/example.jpg";
import { useNotice } from "./NoticeProvider";

/** Begins with the photo that ships with the page. */
export function ExampleButton({ onPhoto }: { onPhoto: (file: File) => void }) {
  const [busy, setBusy] = useState(false);
  const say = useNotice();
  const take = async () => {
    setBusy(true);
    try {
      const file = await fileOf(example);
      onPhoto(new File([file], "example.jpg", { type: "image/jpeg" }));
    } catch (error) {
      say((error as Error).message, "error");
    } finally {
      setBusy(false);
    }
  };
  return (
    <Button variant="outlined" size="large" disabled={busy} onClick={() => void take()}>
      Try the example
    </Button>
  );
}
