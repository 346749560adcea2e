#!/usr/bin/env bash
# Installs the package with its test tools into .venv and runs the tests.
#
#   bash tools/test.sh [ARGUMENTS OF PYTEST]
#
# For example: bash tools/test.sh tests/layers; bash tools/test.sh -m large
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/install.sh test
exec .venv/bin/python -m pytest --numprocesses=auto --dist=loadfile "$@"

