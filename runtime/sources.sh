#!/usr/bin/env bash
# sources.sh FOLDER: CPython 3.13, zlib, the time zones and the WASI C library, as Debian 13 (trixie) has them.
#
# Read through an apt of its own in FOLDER/apt (same mirror and keyring as the machine's, nothing of the system is
# touched). Fills FOLDER with python/ (upstream's release plus Debian's fixes), zlib/, zoneinfo/, wasi/ (include and
# lib) and versions, one "package version" a line. A point release of Debian 13 changes the versions; nothing else pins.
set -euo pipefail

FOLDER=$(realpath "${1:?usage: sources.sh FOLDER}")
SUITE=trixie
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Debian mirrors among the machine's sources, whatever their format: the address of every index that apt would fetch
# tells mirror and suite. Third-party archives are left out by suite and path here, and by the keyring below.
mirrors() {
  apt-get update --print-uris 2>/dev/null |
    sed -n "s#^'\([^']*\)/dists/\([^/']*\)/InRelease'.*#\1 \2#p" |
    awk '$2 ~ /^(bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)$/ { print ($1 ~ /debian\/?$/ ? 0 : 1), $1 }' |
    sort -s -k1,1n | cut -d' ' -f2 | awk '!seen[$0]++'
}

# private_apt MIRROR: points APT_CONFIG at an apt that knows only trixie on MIRROR.
private_apt() {
  local apt=$FOLDER/apt kind suite
  rm -rf "$apt"
  mkdir -p "$apt"/{etc,lists/partial,cache/archives/partial,download}
  : >"$apt/status"
  for kind in deb deb-src; do
    printf '%s [signed-by=%s] %s %s main\n' "$kind" "$KEYRING" "$1" "$SUITE"
  done >"$apt/etc/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
Acquire::IndexTargets::deb-src::Contents-dsc::DefaultEnabled "false";
CONF
  export APT_CONFIG=$apt/apt.conf
  apt-get update -q
}

fetch() {
  cd "$FOLDER/apt/download"
  apt-get source -q --download-only python3.13 & local python=$!
  apt-get source -q --download-only zlib & local zlib=$!
  apt-get download -q wasi-libc tzdata tzdata-legacy
  wait $python
  wait $zlib
}

# unpack_source PACKAGE FOLDER: upstream's archive, then those patches of Debian that are fixes. Debian names them
# *.patch; its *.diff adapt Python to Debian's own layout and must stay out. A fix that does not apply without those is
# left out whole, and said in versions, so that a point release cannot stop the build.
unpack_source() {
  local patch
  mkdir -p "$2"
  tar -xf "$1"_*.orig.tar.?z --strip-components=1 -C "$2"
  mkdir "$1-debian"
  tar -xf "$1"_*.debian.tar.?z -C "$1-debian"
  while read -r patch; do
    [ -s "$1-debian/debian/patches/$patch" ] || continue
    if patch -d "$2" -p1 -f -s --dry-run <"$1-debian/debian/patches/$patch"; then
      patch -d "$2" -p1 -f -s --no-backup-if-mismatch <"$1-debian/debian/patches/$patch"
      echo "$1: $patch"
    else
      echo "$1-without $patch" >>"$FOLDER/versions"
    fi
  done < <(grep '^[^#]*\.patch$' "$1-debian/debian/patches/series" || true)
}

version_of() { sed -n 's/^Version: //p' "$@" | head -n 1; }

for mirror in $(mirrors); do
  if private_apt "$mirror"; then found=$mirror; break; fi
  echo "sources.sh: $mirror has no suite $SUITE signed by Debian" >&2
done
[ -n "${found:-}" ] || {
  echo "sources.sh: no Debian mirror among the apt sources of this machine: add one (deb <mirror> bookworm main)" >&2
  exit 1
}
fetch
unpack_source python3.13 "$FOLDER/python"
unpack_source zlib "$FOLDER/zlib"
for package in wasi-libc tzdata tzdata-legacy; do dpkg -x "${package}"_*.deb unpacked; done
mkdir -p "$FOLDER/wasi"
mv unpacked/usr/include "$FOLDER/wasi/include"
mv unpacked/usr/lib "$FOLDER/wasi/lib"
mv unpacked/usr/share/zoneinfo "$FOLDER/zoneinfo"
{
  echo "python3.13 $(version_of python3.13_*.dsc)"
  echo "zlib $(version_of zlib_*.dsc)"
  for package in wasi-libc tzdata tzdata-legacy; do
    echo "$package $(dpkg-deb -f "${package}"_*.deb Version)"
  done
} >>"$FOLDER/versions"
rm -rf "$FOLDER/apt" "$FOLDER/python/Doc"
cat "$FOLDER/versions"
