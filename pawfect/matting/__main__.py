"""`python -m pawfect.matting`: compile edges and colours ahead, so that no start waits for it."""

from pawfect.matting.ahead import compile_ahead

if __name__ == "__main__":
    compile_ahead()
