"""People's data: how long they are kept, how they are deleted, and how their owner gets a copy."""
