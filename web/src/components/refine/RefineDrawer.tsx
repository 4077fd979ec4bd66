import Alert from "@mui/material/Alert";
import Box from "@mui/material/Box";
import Stack from "@mui/material/Stack";
import SwipeableDrawer from "@mui/material/SwipeableDrawer";
import Tab from "@mui/material/Tab";
import Tabs from "@mui/material/Tabs";
import Typography from "@mui/material/Typography";
import useMediaQuery from "@mui/material/useMediaQuery";
import { X } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { refine, type SwapOrder, swapFace } from "../../api/client";
import type { Order } from "../../api/payloads";
import { isOver, type RefineType, type Run, type Studio } from "../../api/types";
import { useBase } from "../../state/useBase";
import { isBase } from "../../words/versions";
import { BaseSelect } from "../BaseSelect";
import { LogStream } from "../LogStream";
import { SwapTab } from "../swap/SwapTab";
import { ToolButton } from "../ToolButton";
import { Creativity } from "./Creativity";
import { GeneralTab } from "./GeneralTab";
import { RegionTab } from "./RegionTab";
import { SubjectTab } from "./SubjectTab";
import { TextTab } from "./TextTab";
import { Unavailable } from "./Unavailable";

const TABS = [
  ["subject", "Subject repair"],
  ["text", "Text repair"],
  ["region", "Regional"],
  ["general", "General"],
  ["swap", "Swap a face"],
  ["log", "Live log"],
] as const;
type TabName = (typeof TABS)[number][0];

/** What every tab of a repair is given. */
export interface RepairProps {
  run: Run;
  base: number;
  creativity: number;
  busy: boolean;
  send: (order: Order, masks?: Blob[]) => void;
}

interface Props {
  open: boolean;
  onOpen: () => void;
  onClose: () => void;
  run: Run;
  /** The version that is refined first; null: the newest one. */
  first: number | null;
  studio: Studio;
  onSent: (version: number) => void;
}

/** Ways to change a version, and what is said about it while that is done. */
export default function RefineDrawer(props: Props) {
  const { open, onOpen, onClose, run, first, studio, onSent } = props;
  const [tab, setTab] = useState<TabName>("text");
  const [base, setBase] = useState(0);
  const [creativity, setCreativity] = useState(2);
  // What may be sent to another machine: one submission of one tab.
  const [agreed, setAgreed] = useState<RefineType | null>(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const [sent, setSent] = useState<string | null>(null);
  const phone = useMediaQuery("(max-width: 700px)");
  const newest = run.versions.filter(isBase).at(-1)?.version ?? 0;
  // Chosen once each time it opens: what ends meanwhile changes nothing in anybody's hand. A photo
  // that is still being taken in is waited for.
  const arriving = run.versions.some(
    (one) => one.kind === "import" && !isOver(one.processingStatus),
  );
  const settled = useRef(false);
  useEffect(() => {
    if (open && !settled.current) setBase(first ?? newest);
    settled.current = open && !arriving;
  }, [open, first, newest, arriving]);
  // It begins with what the server can do.
  const begun = useRef(false);
  useEffect(() => {
    if (!open || begun.current) return;
    begun.current = true;
    const able = TABS.find(([name]) => name !== "log" && studio.can[name].available);
    if (able && !studio.can.text.available) setTab(able[0]);
  }, [open, studio]);
  const photo = useBase(run, open ? base : null);

  const follow = (jobId: string, version: number) => {
    setSent(jobId);
    setTab("log");
    // The button that had the focus is gone; without one, keys reach no drawer.
    document.getElementById("tab-log")?.focus();
    onSent(version);
  };
  const swap = async (order: SwapOrder) => {
    setBusy(true);
    setProblem(null);
    try {
      const made = (await swapFace(run.runId, base, order)).versions.at(-1)!;
      follow(made.jobId, made.version);
      return true;
    } catch (error) {
      setProblem((error as Error).message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const send = async (order: Order, masks: Blob[] = []) => {
    if (!order.request) return setProblem(order.problem);
    setBusy(true);
    setProblem(null);
    try {
      const request = order.request;
      const remote = !!studio.can[request.type].remote && agreed === request.type;
      const parameters = { ...request.parameters, ...(remote ? { remote } : {}) };
      const { jobId, version } = await refine(run.runId, { ...request, parameters }, masks);
      setAgreed(null);
      follow(jobId, version);
    } catch (error) {
      setProblem((error as Error).message);
    } finally {
      setBusy(false);
    }
  };
  const working = run.versions.filter((one) => !isOver(one.processingStatus)).at(-1)?.jobId;
  const told = sent ?? working ?? run.versions.at(-1)?.jobId ?? null;
  const repair: RepairProps = { run, base, creativity, busy, send: (...all) => void send(...all) };
  const consent = (type: RefineType) => ({
    remote: agreed === type,
    onRemote: (may: boolean) => setAgreed(may ? type : null),
  });
  const panels: Record<TabName, ReactNode> = {
    subject: (
      <SubjectTab {...repair} {...consent("subject")} ability={studio.can.subject} photo={photo} />
    ),
    text: <TextTab {...repair} ability={studio.can.text} photo={photo} />,
    region: <RegionTab {...repair} ability={studio.can.region} photo={photo} />,
    general: (
      <GeneralTab {...repair} {...consent("general")} ability={studio.can.general} photo={photo} />
    ),
    swap: (
      <SwapTab
        run={run}
        base={base}
        busy={busy}
        ability={studio.can.swap}
        photo={photo}
        maxBytes={studio.limits.maxBytes}
        onSwap={swap}
      />
    ),
    log:
      tab !== "log" ? null : told ? (
        <LogStream jobId={told} height={420} />
      ) : (
        <Typography color="textSecondary">Nothing is being made.</Typography>
      ),
  };
  return (
    <SwipeableDrawer
      anchor={phone ? "bottom" : "right"}
      open={open}
      onOpen={onOpen}
      onClose={onClose}
      disableSwipeToOpen
      slotProps={{
        paper: {
          role: "dialog",
          "aria-labelledby": "refine",
          sx: {
            width: phone ? 1 : "min(760px, 94vw)",
            height: phone ? "94dvh" : 1,
            borderRadius: phone ? "24px 24px 0 0" : "24px 0 0 24px",
            overflow: "hidden",
          },
        },
      }}
    >
      <Stack spacing={2.5} sx={{ p: { xs: 2, sm: 3.5 }, height: 1, overflowY: "auto" }}>
        <Box sx={{ display: "flex", alignItems: "center" }}>
          <Typography id="refine" variant="h2" sx={{ mr: "auto" }}>
            Refine image
          </Typography>
          <ToolButton name="Close" icon={<X size={20} />} onClick={onClose} />
        </Box>
        <Box sx={{ display: "grid", gap: 2, gridTemplateColumns: { xs: "1fr", sm: "1fr 1fr" } }}>
          <BaseSelect label="Refining" run={run} base={base} onBase={setBase} />
          {tab !== "swap" && <Creativity creativity={creativity} onCreativity={setCreativity} />}
        </Box>
        <Tabs
          value={tab}
          onChange={(_, next: TabName) => setTab(next)}
          variant="scrollable"
          allowScrollButtonsMobile
          aria-label="Ways to refine"
        >
          {TABS.map(([name, title]) => (
            <Tab
              key={name}
              value={name}
              label={title}
              id={`tab-${name}`}
              aria-controls={`panel-${name}`}
            />
          ))}
        </Tabs>
        {problem && <Alert severity="error">{problem}</Alert>}
        {TABS.map(([name]) => (
          // All of them stay: what was drawn or typed is there for another try.
          <Box
            key={name}
            role="tabpanel"
            id={`panel-${name}`}
            aria-labelledby={`tab-${name}`}
            hidden={tab !== name}
          >
            {name !== "log" && !studio.can[name].available && (
              <Unavailable ability={studio.can[name]} />
            )}
            {panels[name]}
          </Box>
        ))}
      </Stack>
    </SwipeableDrawer>
  );
}
