// The same again with another seed: nobody has to draw the mask twice.

import { cutoutAgain, fileOf, fillAgain, refine, searchAgain, swapFace } from "../api/client";
import type { Run, Scalar, Version } from "../api/types";
import { maskPngs, separateMasks } from "../mask/png";
import { anotherSeed } from "./choices";

/** Whether the picture left the server for a version, which is to be asked before each try. */
export function wasRemote({ parameters }: Version): boolean {
  return parameters.remote === true;
}

/** Queue another version like one that there is, on what that was made from.
 *
 * @param agreed whether the picture may leave the server this time; of a swap, whether everybody
 *   whose face is seen or shown agrees to this one.
 * @throws ApiError as the API says; Error where the kind has nothing to try again.
 */
export async function retry(run: Run, version: Version, agreed = false): Promise<void> {
  const { kind, parent, links } = version;
  const { remote: _, ...kept } = version.parameters;
  const parameters: Record<string, Scalar> = kept;
  if (kind === "cutout") {
    await cutoutAgain(run.runId, parent, parameters);
    return;
  }
  parameters.seed = anotherSeed();
  if (version.type) {
    const { creativity, ...rest } = parameters;
    const drawn = await drawnMasks(version);
    await refine(
      run.runId,
      {
        type: version.type,
        payload: version.payload,
        creativity: typeof creativity === "number" ? creativity : 2,
        base: parent,
        parameters: agreed ? { ...rest, remote: true } : rest,
      },
      drawn,
    );
    return;
  }
  if (kind === "swap") {
    // The API says who asks, and consent is for one time.
    const { caller: _caller, consent: _consent, ...rest } = parameters;
    if (!links.reference) throw new Error("This version has no picture of the character.");
    if (!agreed) throw new Error("A swap is only made again where everybody agrees.");
    await swapFace(run.runId, parent, {
      reference: await fileOf(links.reference),
      mask: links.mask ? await fileOf(links.mask) : undefined,
      parameters: { ...rest, consent: true },
    });
    return;
  }
  if (!links.mask) throw new Error("This version has no mask to fill again.");
  const mask = await fileOf(links.mask);
  const protect = links.protect ? await fileOf(links.protect) : undefined;
  const order = { mask, protect, prompt: version.prompt ?? undefined, parameters };
  if (kind === "search") {
    const reference = links.reference ? await fileOf(links.reference) : undefined;
    if (agreed) parameters.remote = true;
    await searchAgain(run.runId, parent, { ...order, reference });
  } else await fillAgain(run.runId, parent, order);
}

/** Return the masks that a version's regions were drawn with, in their order. */
async function drawnMasks({ links }: Version): Promise<Blob[]> {
  if (!links.masks) return [];
  const { masks, width, height } = await separateMasks(await fileOf(links.masks));
  return maskPngs(masks, width, height);
}
