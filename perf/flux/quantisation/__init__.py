"""How far quantised FLUX transformers are from the plain one, their bytes and their seconds."""
