"""The CPU fill: a hole is completed by patches copied from around it (`engine.fill`)."""
