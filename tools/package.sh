#!/usr/bin/env bash
# A relocatable archive that runs on a Debian 12 without a compiler: build/tarn-VERSION-linux-x86_64.tar.gz
#   package.sh BUILD_DIR
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -nE 's/^project\(tarn VERSION ([0-9.]+).*/\1/p' CMakeLists.txt)
name=tarn-$version-linux-$(uname -m)
stage=$(mktemp -d) && trap 'rm -rf "$stage"' EXIT
cmake --install "$1" --prefix "$stage/$name" >/dev/null
# System libraries that a plain Debian lacks travel along, found by the program's RPATH.
ldd "$stage/$name/bin/tarn" | awk '$3 ~ /^\// {print $3}' | grep -E 'grpc|protobuf|absl|upb|re2|cares|address_sorting|gpr|sodium|roaring|simdjson|icu|readline|git2|http_parser|ssh2|mbed|pcre' | while read -r so; do cp -L "$so" "$stage/$name/lib/"; done
cp LICENSE README.md "$stage/$name/"
tar czf "build/$name.tar.gz" -C "$stage" "$name"
echo "build/$name.tar.gz"
