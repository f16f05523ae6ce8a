#!/usr/bin/env bash
# The developer's one command: format, lint, types, import directions and tests. --fast leaves the tests out.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
lint-imports
if [ "${1:-}" != "--fast" ]; then
    pytest
fi
