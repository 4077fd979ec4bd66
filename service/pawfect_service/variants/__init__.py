"""Variants (A/B): which share of users gets which choices, and how they like them."""
