"""Jobs through the whole flow while workers, server and connections are broken on purpose."""
