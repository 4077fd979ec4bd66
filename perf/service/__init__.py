"""The service in numbers: load, faults, scaling."""
