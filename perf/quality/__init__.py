"""A removal benchmark with known truth: scenes, peers, scores and a contact sheet."""
