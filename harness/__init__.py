"""What tests and measurements start: emulators, local servers, ports, relays."""
