"""All kinds of jobs for a while, on the embedded store, while this machine has all the bad luck."""
