#!/usr/bin/env bash
# build.sh PYTHON FOLDER: compiles the guest natively, as the Python module _fs_native in FOLDER. PYTHON is a 3.13; CC and
# CFLAGS are honoured.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${1:?a Python 3.13}
folder=${2:?the folder for _fs_native}
include=$("$python" -c 'import sys, sysconfig; assert sys.version_info[:2] == (3, 13), "needs Python 3.13, got " + sys.version; print(sysconfig.get_path("include"))')
mkdir -p "$folder"
${CC:-cc} -std=c11 -D_GNU_SOURCE -O3 -g -DNDEBUG -fPIC -shared -pthread -fvisibility=hidden \
  -Wall -Wextra -Werror -Wshadow -Wno-unused-const-variable -Wno-missing-field-initializers ${CFLAGS:-} \
  -I"$here/../../abi" -isystem "$include" \
  "$here"/../*.c "$here"/host.c -o "$folder/_fs_native.so"
