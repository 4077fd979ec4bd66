"""How good a fill is, measured without knowing the truth."""
