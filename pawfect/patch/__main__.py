"""`python -m pawfect.patch`: compile the fill ahead, so that no server's start waits for it."""

from pawfect.contract.probe import probe_mask, probe_photo
from pawfect.patch.engine import fill

if __name__ == "__main__":
    fill(probe_photo(), probe_mask())
