"""What Bazel's test targets run: pytest with the arguments of the target."""

import sys

import pytest

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:]))
