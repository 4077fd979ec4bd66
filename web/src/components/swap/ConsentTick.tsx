import Checkbox from "@mui/material/Checkbox";
import FormControlLabel from "@mui/material/FormControlLabel";
import Typography from "@mui/material/Typography";

interface Props {
  ticked: boolean;
  onTick: (ticked: boolean) => void;
}

/** What has to be said before a face is swapped, each time. */
export function ConsentTick({ ticked, onTick }: Props) {
  return (
    <>
      <FormControlLabel
        sx={{ alignItems: "start", mr: 0 }}
        control={
          <Checkbox
            checked={ticked}
            onChange={(_, next) => onTick(next)}
            sx={{ mt: -1 }}
            slotProps={{ input: { "aria-describedby": "consent-noted" } }}
          />
        }
        label="Everybody whose face is seen in either picture agrees to this swap; for a child, its parents do."
      />
      <Typography id="consent-noted" variant="body2" color="textSecondary" sx={{ pl: 4, mt: 0.75 }}>
        It is noted who asked. The result says in its file that a network made part of it.
      </Typography>
    </>
  );
}
