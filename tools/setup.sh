#!/bin/sh
# Sets up what a make target needs: Debian packages, .venv, the compiled core. `sh tools/setup.sh build|demo|test|bench`
# Does nothing, quickly, when all is there. PYTHON=python3.12 chooses the interpreter for a new .venv.
# Stamps: .venv/.installed (pyproject.toml, constraints.txt, the place), .venv/.built (compiled sources, the mode).
set -eu
cd "$(dirname "$0")/.."
goal=${1:-build}
here=$(pwd)
PATH=$PATH:/usr/sbin:/sbin
export PATH PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "setup: $*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }
is_new_enough() { have "$1" && "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3}; do
    is_new_enough "$python" && return
  done
  python=
}

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
has_header() {
  "$python" -c 'import os, sysconfig as s; raise SystemExit(not os.path.exists(s.get_path("include") + "/Python.h"))' 2>/dev/null
}
is_debians() {
  "$python" -c 'import sysconfig as s; raise SystemExit(not s.get_path("stdlib").startswith("/usr/lib/"))' 2>/dev/null
}
has_compiler() {
  cc=${CC:-$("$python" -c 'import sysconfig as s; print((s.get_config_var("CC") or "cc").split()[0])')}
  printf '#include <stdlib.h>\n#include <pthread.h>\n' | "$cc" -x c -fsyntax-only - 2>/dev/null
}

# ---- Debian packages ----
missing_packages() {
  [ -n "$python" ] || { echo python3 python3-venv python3-dev gcc libc6-dev; }
  if [ -n "$python" ]; then
    # A python3 that is not Debian's brings its own venv and headers, or lacks them for good.
    if is_debians; then
      has_venv || echo python3-venv
      has_header || echo python3-dev
    fi
    has_compiler || echo gcc libc6-dev
  fi
  case $goal in
    demo) tools="curl:curl" ;;
    test) tools="ip:iproute2 curl:curl wrk:wrk httperf:httperf ab:apache2-utils tshark:tshark nmap:nmap groff:groff-base" ;;
    bench) tools="ip:iproute2 curl:curl wrk:wrk lighttpd:lighttpd" ;;
    *) tools= ;;
  esac
  for tool in $tools; do
    have "${tool%%:*}" || echo "${tool##*:}"
  done
  # wrk looks port 80 up by its name, and does not depend on the package that has the name.
  case $tools in
    *wrk*) [ -e /etc/services ] || echo netbase ;;
  esac
}

install_packages() {
  say "installing Debian packages: $*"
  # No service starts or stays enabled because a benchmark wanted its program.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT INT TERM
  fi
  log=$(mktemp)
  {
    apt-get -qq update || true
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@"
  } >"$log" 2>&1 </dev/null || { tail -n 5 "$log" >&2; say "apt-get could not install all of these; going on with what is there"; }
  rm -f "$log"
  for package in "$@"; do
    if [ "$package" = lighttpd ] && have update-rc.d; then update-rc.d lighttpd disable >/dev/null 2>&1 || true; fi
  done
}

find_python
missing=$(missing_packages | tr '\n' ' ')
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && have apt-get; then
    # shellcheck disable=SC2086
    install_packages $missing
    find_python
  else
    say "missing: apt-get install --no-install-recommends $missing"
  fi
fi
[ -n "$python" ] || { say "no Python from 3.11 on; nothing can be done without"; exit 1; }

# ---- .venv ----
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null; then
  has_venv || { say "$python has no ensurepip: apt-get install python3-venv, or another python3 by PYTHON="; exit 1; }
  say "making .venv with $("$python" --version)"
  rm -rf .venv
  "$python" -m venv .venv
fi
# The version that the environment has counts from here on, whatever python3 is today.
place="$(.venv/bin/python -c 'import sys; print(*sys.version_info[:2], sep=".")') $here"
if [ "$(cat .venv/.installed 2>/dev/null)" != "$place" ] ||
  [ -n "$(find pyproject.toml constraints.txt -newer .venv/.installed)" ]; then
  say "installing Python packages into .venv"
  # The core is compiled below, with the pinned compiler; nothing is built in isolation with another.
  {
    .venv/bin/python -m pip install -q -c constraints.txt setuptools Cython &&
      NEATCTL_PURE=1 .venv/bin/python -m pip install -q -c constraints.txt --no-build-isolation -e '.[dev]'
  } >.venv/install.log 2>&1 || {
    grep -v '^WARNING: Location' .venv/install.log | tail -n 20 >&2
    say "pip could not install the Python packages; all of it is in .venv/install.log"
    exit 1
  }
  echo "$place" >.venv/.installed
  rm -f .venv/.built
fi

# ---- the compiled core ----
compiled_sources() {
  echo setup.py
  find neatctl -name '*.pyx' -o -name '*.pxd'
  find neatctl -name '*.pxd' | while read -r types; do
    if [ -e "${types%.pxd}.py" ]; then echo "${types%.pxd}.py"; fi
  done
}
sh tools/stale.sh
python=$here/.venv/bin/python
mode=compiled
reason=
has_header || { mode=pure; reason="no Python.h"; }
has_compiler || { mode=pure; reason="no C compiler"; }
[ "${NEATCTL_PURE:-}" != 1 ] || { mode=pure; reason="NEATCTL_PURE=1"; }
if [ "$(cat .venv/.built 2>/dev/null)" != $mode ] ||
  [ -n "$(find neatctl -name '*.so' -xtype l)" ] ||
  [ -n "$(compiled_sources | xargs sh -c 'find "$@" -newer .venv/.built' sh)" ]; then
  echo $mode >.venv/.building
  if [ $mode = compiled ]; then
    say "compiling the packet path"
    NEATCTL_REQUIRE_EXT=1 .venv/bin/python setup.py -q build_ext --inplace -j "$(nproc)" >.venv/build.log 2>&1 || {
      tail -n 30 .venv/build.log >&2
      say "compiling failed; all of it is in .venv/build.log"
      exit 1
    }
  elif [ "$reason" != "NEATCTL_PURE=1" ]; then
    find neatctl -name '*.so' -delete
  fi
  mv .venv/.building .venv/.built
fi
[ $mode = compiled ] || say "$reason: the packet path runs as plain Python (the same behaviour, much slower)"
