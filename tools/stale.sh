#!/bin/sh
# Removes compiled modules whose source is gone: a compiled module wins over its source, so none may outlive it.
# neatctl/compiled.so is no module, but what most of them are links to (setup.py).
set -eu
cd "$(dirname "$0")/.."
find neatctl -name '*.cpython-*.so' | while read -r module; do
  [ -e "${module%%.cpython-*}.pxd" ] || rm -f "$module"
done
