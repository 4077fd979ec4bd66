"""What clients and server share: tensors, parameters, errors, the report, limits; numpy alone."""
