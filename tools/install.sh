#!/usr/bin/env bash
# Makes .venv in the project root and installs the package into it, with all
# that training, evaluation and export need; with "test" the test tools, too.
#
#   bash tools/install.sh [test]
#
# tools/quickstart.sh and tools/test.sh call this. It takes python3.11 or the
# next best of Python 3.10 to 3.13; PYTHON=/path/to/python chooses another (to
# change the Python of an existing .venv, remove .venv first). Run again, it
# goes on where it was interrupted, and returns at once when nothing is left to
# do. A failure is one line and exit status 2; pip's own words are in
# .venv/install.log.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=$venv/bin/python
log=$venv/install.log
needed_mib=5000 # of which .venv takes 3,600; the rest are pip's downloads

say() { printf 'install: %s\n' "$*"; }

fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 2
}

# What an installation is good for: these files, in this place.
wanted_stamp() {
  printf '%s\n' "$root"
  cat requirements.txt pyproject.toml | cksum
}

is_installed() { # is_installed KIND
  [ -x "$python" ] && [ -f "$venv/.installed-$1" ] &&
    [ "$(cat "$venv/.installed-$1")" = "$(wanted_stamp)" ]
}

write_stamp() { # write_stamp KIND
  wanted_stamp >"$venv/.installed-$1.partial"
  mv "$venv/.installed-$1.partial" "$venv/.installed-$1"
}

is_supported() { # is_supported PYTHON
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' \
    >/dev/null 2>&1
}

version_of() { # version_of PYTHON
  if command -v "$1" >/dev/null; then
    "$1" -V 2>&1 | tail -n 1
  else
    echo "not there"
  fi
}

can_make_venv() { # can_make_venv PYTHON; Debian keeps ensurepip in a package
  "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

fail_without_venv() { # fail_without_venv PYTHON
  fail "$1 cannot make virtual environments; install its venv module (on" \
    "Debian and Ubuntu: apt-get install python3-venv)."
}

find_python() {
  local name without_venv=
  if [ -n "${PYTHON:-}" ]; then
    is_supported "$PYTHON" ||
      fail "PYTHON=$PYTHON is no Python 3.10 to 3.13 but" \
        "$(version_of "$PYTHON")."
    can_make_venv "$PYTHON" || fail_without_venv "$PYTHON"
    printf '%s\n' "$PYTHON"
    return
  fi
  for name in python3.11 python3.12 python3.10 python3.13 python3; do
    is_supported "$name" || continue
    if can_make_venv "$name"; then
      printf '%s\n' "$name"
      return
    fi
    without_venv=${without_venv:-$name}
  done
  [ -z "$without_venv" ] || fail_without_venv "$without_venv"
  fail "no Python 3.10 to 3.13 found (python3 is $(version_of python3));" \
    "install python3.11 or set PYTHON=/path/to/python."
}

# An interrupted pip can leave a package without its list of files, which the
# next pip would take for installed.
venv_is_whole() {
  local package
  is_supported "$python" && "$python" -m pip --version >/dev/null 2>&1 ||
    return 1
  for package in "$venv"/lib/python3*/site-packages/*.dist-info; do
    [ -f "$package/RECORD" ] || return 1
  done
}

make_venv() {
  local base words
  base=$(find_python)
  say "making .venv with $("$base" -V 2>&1) ($base)"
  words=$("$base" -m venv --clear "$venv" 2>&1) ||
    fail "$base -m venv $venv failed: $(tail -n 1 <<<"$words")"
}

check_disk() {
  local free_mib left_mib used_mib=0
  free_mib=$(($(df -Pk "$root" | awk 'NR == 2 { print $4 }') / 1024))
  [ ! -d "$venv" ] || used_mib=$(($(du -sk "$venv/" | cut -f 1) / 1024))
  left_mib=$((needed_mib - used_mib))
  [ "$left_mib" -ge 500 ] || left_mib=500
  [ "$free_mib" -ge "$left_mib" ] ||
    fail "no disk space: the installation needs $left_mib MiB more, and" \
      "$root has $free_mib MiB free."
}

cause_of_failure() {
  local last
  last=$(grep -iE '^ *(error|[a-z]*error):' "$log" | tail -n 1 || true)
  if grep -qE 'No space left on device|Errno 28' "$log"; then
    last="no disk space (temporary files are in ${TMPDIR:-/tmp})"
  elif grep -qE 'ConnectionError|ConnectTimeout|ReadTimeout|NameResolution|name resolution|unreachable|ProxyError' "$log"; then
    last="no network, or no way to the package index"
  fi
  printf '%s\n' "${last:-$(tail -n 1 "$log")}"
}

# A line every 15 seconds, until its standard input is closed.
show_life() {
  while read -r -t 15 || [ $? -gt 128 ]; do
    say "  ... $SECONDS s, $(du -sm "$venv" | cut -f 1) MiB:" \
      "$(grep -v WARNING "$log" | tail -n 1 | cut -c 1-60)"
  done
}

step() { # step LABEL ARGUMENTS-OF-PYTHON...
  local label=$1 status=0
  shift
  say "$label"
  printf '\n== %s\n' "$label" >>"$log"
  exec 3> >(show_life)
  "$python" "$@" >>"$log" 2>&1 3>&- || status=$?
  exec 3>&-
  [ "$status" = 0 ] ||
    fail "$label failed: $(cause_of_failure). Full log: $log"
}

# Two installations into one .venv would spoil each other.
wait_for_others() {
  command -v flock >/dev/null || return 0
  exec 9<"$root"
  flock -n 9 && return
  say "waiting for another installation in this folder to end"
  flock 9
}

main() {
  local kind=run target=.
  [ $# = 0 ] || [ "$*" = test ] || fail "unknown argument: $*"
  [ $# = 0 ] || kind=test target=.[test]
  cd "$root"
  is_installed "$kind" && return
  wait_for_others
  is_installed "$kind" && return
  check_disk
  venv_is_whole || make_venv
  : >"$log"
  export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
  # Older resolvers take half an hour where a new one takes a minute.
  step "1/3 newer pip" -m pip install --progress-bar off 'pip>=25'
  say "packages of 3 GB come now, in some minutes (details: .venv/install.log)"
  step "2/3 packages of requirements.txt" \
    -m pip install --progress-bar off -r requirements.txt -e "$target"
  step "3/3 does it start?" -c 'import axial_deeplab.experiments.trainer'
  write_stamp run
  [ "$kind" = run ] || write_stamp test
  say "done in $SECONDS s"
}

main "$@"
