#!/usr/bin/env bash
# Installs the package with its test tools into .venv and runs the tests.
#
#   bash tools/test.sh [ARGUMENTS OF PYTEST]
#
# For example: bash tools/test.sh tests/layers; bash tools/test.sh -m large
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh test
# In the order of the files: xdist would put those of few tests, which are the
# slowest, last, where one core waits for the other.
exec .venv/bin/python -m pytest --numprocesses=auto --dist=loadfile \
  --no-loadscope-reorder "$@"

