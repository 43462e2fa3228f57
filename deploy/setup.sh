#!/bin/sh
# Make the virtual environment and install into it under constraints.txt, with uv (fetched into it where there is none) or pip.
# usage: PYTHON=python3 VENV=.venv sh deploy/setup.sh ".[dev]"
set -eu
target=$1
if [ ! -x "$VENV/bin/python" ]; then
  "$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
    echo "error: Python 3.11, 3.12 or 3.13 is needed; '$PYTHON' is another. Try: make PYTHON=python3.12 …" >&2
    exit 1
  }
  echo "… making $VENV"
  "$PYTHON" -m venv "$VENV" 2>/dev/null || {
    # Debian ships python3 without ensurepip: virtualenv brings its own pip
    rm -rf "$VENV"
    "$PYTHON" -m pip install --quiet --user virtualenv && "$PYTHON" -m virtualenv --quiet "$VENV"
  } || {
    echo "error: no virtual environment could be made. Install python3-venv (Debian) or pip." >&2
    exit 1
  }
fi
echo "… installing $target"
uv=$(command -v uv || echo "$VENV/bin/uv")
if [ ! -x "$uv" ]; then
  # resolves and unpacks in a fraction of pip's time; where it has no build for this machine, pip does it all
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=0.5,<1" 2>/dev/null || true
fi
if [ -x "$uv" ]; then
  VIRTUAL_ENV="$VENV" "$uv" pip install --quiet --constraint constraints.txt --editable "$target"
else
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable "$target"
fi
