"""`make prove`: from a card and its weights to the report on the roadmap's success criteria."""
