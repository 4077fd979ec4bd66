"""`python -m pawfect.patch`: compile the fill ahead, so that no server's start waits for it."""

from pawfect.patch.ahead import compile_ahead

if __name__ == "__main__":
    compile_ahead()
