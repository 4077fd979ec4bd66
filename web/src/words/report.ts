// Reports in words: what a person wants to know of how a version came about.

import type { Report, Version } from "../api/types";
import { isSearch } from "../state/candidates";
import { stageName } from "./stages";

const ENGINES: Record<string, string> = {
  flux: "the FLUX network",
  klein: "FLUX.2 [klein]",
  edit: "Qwen-Image-Edit",
  lama: "the LaMa network",
  patch: "pieces of the photo itself",
};

/** Return sentences about a version that is completed; none where there is no report. */
export function reportWords(version: Version): string[] {
  const report = version.report;
  const words = version.note ? [sentence(version.note)] : [];
  if (!report) return words;
  const told = [
    isSearch(version) ? searchWords(report) : null,
    ...(version.kind === "swap" ? swapWords(version, report) : []),
    version.kind === "cutout" ? subjectWords(report) : null,
    version.kind === "cutout" || version.kind === "swap" ? null : filledWords(report),
    protectedWords(report),
    ...correctionWords(report),
    ...regionWords(report),
    editWords(report),
    remoteWords(report),
    ...(Array.isArray(report.notes) ? report.notes : []).map((one) => sentence(String(one))),
    checkWords(report),
    ...fallbackWords(report),
    secondsWords(report),
  ];
  return [...words, ...told.filter((one): one is string => one !== null)];
}

function filledWords(report: Report): string | null {
  const engine = text(report.engine);
  // Repairs tell what they did piece by piece.
  if (!engine || text(report.type)) return null;
  const with_ = ENGINES[engine] ?? engine;
  const area = number(report.hole_px);
  const all = (number(report.width) ?? 0) * (number(report.height) ?? 0);
  const share = area !== null && all ? ` — ${percent(area / all)} of the photo` : "";
  const why = text(report.engine_reason);
  return `Filled with ${with_}${share}${why ? ` (${why})` : ""}.`;
}

const ENDS: Record<string, string> = {
  cannot_win: "No further one could have won.",
  deadline: "The deadline came before all were tried.",
  memory: "There was no memory for more.",
};

function searchWords(report: Report): string | null {
  const candidates = list(report.candidates);
  const best = number(report.best);
  if (!candidates.length || best === null) return null;
  const made = candidates.filter((one) => text(one.error) === null).length;
  const judges = Object.values((report.judges ?? {}) as Record<string, unknown>).flat();
  const names = [...new Set(judges.map(String))].join(", ");
  const potential = number(report.best_potential);
  const score = potential === null ? "" : ` with ${potential.toFixed(1)} of 10`;
  const by = names ? ` (judges: ${names})` : "; nobody could judge them";
  const end = ENDS[text(report.ended) ?? ""];
  return `Of ${made} tries number ${best} won${score}${by}.${end ? ` ${end}` : ""}`;
}

/** What is to be known of a swap: which face, who asked, what its networks may be used for. */
function swapWords(version: Version, report: Report): string[] {
  const { caller, consent } = version.parameters;
  const swap = (report.swap ?? {}) as Record<string, unknown>;
  const found = number(swap.found);
  const box = Array.isArray(swap.box) ? swap.box.map(number) : [];
  const faces = found === 1 ? "the one face" : `one of ${found} faces`;
  const [x, y] = box;
  const engine = text(report.engine);
  const licences = Object.values((swap.licences ?? {}) as Record<string, unknown>);
  const all = [...new Set([...licences.map(text), text(report.licence)])].filter(Boolean);
  const over = (Array.isArray(swap.occluders) ? swap.occluders : []).map(String).join(" and ");
  return [
    ...(found && x != null && y != null
      ? [`Swapped ${faces} in the picture, at ${Math.round(x)}, ${Math.round(y)} px.`]
      : []),
    ...(found !== null && swap.box === null ? ["There was no face that could be swapped."] : []),
    ...(over ? [`What lies over the face was kept: ${over}.`] : []),
    // Where nothing refines, the report's fallbacks say why.
    ...(engine && engine !== "swap" ? [`Refined by ${ENGINES[engine] ?? engine}.`] : []),
    ...(consent === true && typeof caller === "string"
      ? [`Asked for by ${caller}, who said that everybody agrees.`]
      : []),
    ...(all.length ? [`Made with networks under: ${all.join("; ")}.`] : []),
  ];
}

function subjectWords(report: Report): string | null {
  if (report.subject_found === false) return "Nothing in the photo was taken for a subject.";
  const sure = number(report.confidence);
  const network = text(report.network);
  if (!network) return null;
  return `Cut out by ${network}${sure === null ? "" : `, ${percent(sure)} sure`}.`;
}

function protectedWords(report: Report): string | null {
  const share = number(report.protected_share);
  const source = text(report.protect_source);
  if (!share || !source || source === "none") return null;
  const who = source === "request" ? "you marked it" : `found by ${source}`;
  return `The subject was kept as it is: ${percent(share)} of the photo (${who}).`;
}

function correctionWords(report: Report): string[] {
  return list(report.corrections).flatMap((one) => {
    const asked = text(one.text);
    if (!asked) return [];
    const read = text(one.read);
    const old = text(one.old_text);
    const set = old ? `“${old}” now says “${asked}”` : `Set “${asked}”`;
    const note = text(one.note);
    if (one.tries === 0) return [`“${asked}” was not set.`, ...(note ? [sentence(note)] : [])];
    const back =
      one.exact === true
        ? "; it reads back the same"
        : `, but it reads back as ${read ? `“${read}”` : "nothing"}`;
    return [`${set}${back}.`, ...(note ? [sentence(note)] : [])];
  });
}

function regionWords(report: Report): string[] {
  const regions = list(report.regions);
  if (!regions.length) return [];
  const unheard = regions.some((one) => text(one.prompt) !== null && one.prompt_used === false);
  const many = regions.length === 1 ? "One region was" : `${regions.length} regions were`;
  return [`${many} filled${unheard ? "; this server's engine does not use prompts" : ""}.`];
}

function remoteWords(report: Report): string | null {
  const remote = report.remote as Record<string, unknown> | null | undefined;
  const model = remote ? text(remote.model) : null;
  return model ? `Made by ${model}, for which the picture left this machine.` : null;
}

function editWords(report: Report): string | null {
  const edit = report.edit as Record<string, unknown> | null | undefined;
  const engine = text(report.engine);
  if (!edit || !engine) return null;
  const [width, height] = Array.isArray(edit.working_px) ? edit.working_px.map(number) : [];
  const steps = number(edit.steps_taken);
  const size = width && height ? ` at ${width} × ${height} px` : "";
  const taken = steps === null ? "" : ` in ${steps} ${steps === 1 ? "step" : "steps"}`;
  return `Changed by ${ENGINES[engine] ?? engine} on this server${size}${taken}.`;
}

function checkWords(report: Report): string | null {
  const check = text(report.check);
  return check ? `The check said: ${check}.` : null;
}

function fallbackWords(report: Report): string[] {
  return list(report.fallbacks).flatMap((one) => {
    const stage = text(one.stage);
    if (!stage) return [];
    const instead = text(one.instead);
    const reason = text(one.reason);
    const why = reason ? ` (${reason})` : "";
    return [`${stageName(stage)}${why}${instead ? `: ${instead} instead` : ""}.`];
  });
}

function secondsWords(report: Report): string | null {
  const ms = number(report.total_ms);
  if (ms === null) return null;
  const seed = number(report.seed);
  return `Took ${(ms / 1000).toFixed(1)} s${seed === null ? "" : `, with seed ${seed}`}.`;
}

export function percent(share: number): string {
  const points = share * 100;
  if (points > 0 && points < 0.1) return "under 0.1 %";
  return `${points < 10 ? points.toFixed(1) : Math.round(points)} %`;
}

function sentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value)
    ? value.filter((one): one is Record<string, unknown> => !!one && typeof one === "object")
    : [];
}
