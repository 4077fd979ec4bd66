"""Consent records of swaps: who said when that everybody agrees, and to what."""
