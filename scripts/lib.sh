# Shared by ./dev and the build scripts: messages, the build cache, small checks. Source it; it defines functions only.
# Environment: FS_CACHE (default: the user's cache folder/function-stream), FS_JOBS (default: number of cores).

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
FS_CACHE=${FS_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/function-stream}
FS_JOBS=${FS_JOBS:-$(nproc)}
FS_STARTED=${FS_STARTED:-$(date +%s)}
export FS_CACHE FS_JOBS FS_STARTED

# say TEXT...: one line of progress, with the time since ./dev began.
say() {
  local seconds=$(($(date +%s) - FS_STARTED))
  printf '[%3d:%02d] %s\n' $((seconds / 60)) $((seconds % 60)) "$*" >&2
}

die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

# as_root COMMAND...: runs it as root, by sudo where we are not.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else
    command -v sudo >/dev/null || die "root or sudo is needed to run: $*"
    sudo "$@"
  fi
}

# hash_of INPUT...: SHA-256 (16 hex digits) of files, of folders (names and contents), and of plain strings (anything that is no path).
hash_of() {
  local input
  for input in "$@"; do
    if [ -d "$input" ]; then
      (cd "$input" && find . -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum)
    elif [ -f "$input" ]; then
      sha256sum <"$input"
    else
      printf 'text %s\n' "$input"
    fi
  done | sha256sum | cut -c1-16
}

# cached NAME BUILD INPUT...: prints the folder of a product. Where the cache has none for the hash of the inputs,
# calls `BUILD FOLDER` to fill an empty folder; its output goes to a log, of which the end is shown when it fails.
cached() {
  local name=$1 build=$2 folder log started
  shift 2
  folder=$FS_CACHE/$name-$(hash_of "$name" "$@")
  if [ ! -e "$folder/.complete" ]; then
    mkdir -p "$FS_CACHE/log"
    log=$FS_CACHE/log/$name.log
    started=$(date +%s)
    say "$name: building (log: $log)"
    rm -rf "$folder"
    mkdir -p "$folder"
    # A plain call, not in a condition: set -e must hold inside the build.
    if ! (exec </dev/null >"$log" 2>&1; run_strictly "$build" "$folder"); then
      tail -n 40 "$log" >&2
      die "$name: failed; the whole log is $log"
    fi
    touch "$folder/.complete"
    say "$name: built in $(($(date +%s) - started)) s"
  fi
  printf '%s\n' "$folder"
}

# In a condition bash ignores set -e, so a build function is run by a shell of its own.
run_strictly() {
  export -f "${1?}"
  ROOT=$ROOT bash -euo pipefail -c '. "$ROOT/scripts/lib.sh"; "$@"' _ "$@"
}
