"""How a request's deadline is divided: every share, reserve and margin, with its reason.

Read as `budget.NAME`. What a stage takes is not here: that is the profile's to say.
"""

from __future__ import annotations

from typing import Final

# How often a running stage looks whether the caller went away: well under a stage, and cheap.
POLL_S: Final = 0.05
# Kept free for what comes after the last step, ms: decoding, compositing and the answer.
RESERVE_MS: Final = 300.0
# Kept free for handing over the floor where denoising is late, ms: the report and the answer.
FLOOR_MS: Final = 200.0
# Of the deadline that the patch fill's estimate may take: other machines are half as fast, or busy.
PATCH_SHARE: Final = 0.5
# Of the deadline that LaMa's windows may take by their estimate, beside the patches.
LAMA_SHARE: Final = 0.5
# Of the deadline that one source of labels, or what finds the subject, may take: the steps need
# most of the rest.
SOURCE_SHARE: Final = 0.2
# Of the deadline that a plan may take: what is left is for other requests on the card, and so that
# noise in the step times changes no pixel.
PLAN_SHARE: Final = 0.85
# Of the time that a second try is expected to take by the first one's pace: as much must be left.
SECOND_TRY: Final = 1.2
# How far one stage may be off what is expected of it, as a share of it.
SPREAD: Final = 0.3
# The same of several steps together, whose noise evens out: about SPREAD over the root of eight.
STEPS_SPREAD: Final = 0.1
# Weight of a new step in the running mean, once there are a few: about the last six count, so that
# a card which others begin to use is noticed in time.
NEWEST_STEP: Final = 0.3
# Time of decoding for each of encoding, where costs are not known: the decoder of FLUX's VAE
# computes 2.3 times what its encoder does.
DECODE_PER_ENCODE: Final = 2.5
