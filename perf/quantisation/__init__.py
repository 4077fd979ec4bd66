"""How far quantised FLUX transformers are from the plain one, what they weigh and how long they take."""
