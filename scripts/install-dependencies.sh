#!/usr/bin/env bash
# Installs what Pollux needs to be built and tested, from Debian's packages. Does nothing where everything is there.
# Swift itself is not in Debian; if it is missing, this says where to get it and stops.
#   scripts/install-dependencies.sh --browser     also Chromium and a typeface, for the checks that need them
#   scripts/install-dependencies.sh --postgres    also PostgreSQL, PgBouncer and ip, for the tests of that store
set -euo pipefail
cd "$(dirname "$0")/.."

needed_swift=6.3

# SQLite for GRDB; libpq for PostgreSQL; the C library and linker's files that Swift links against; dpkg-dev for the dependencies of the package;
# git for the packages; curl for trying the socket; Python for its client, the test clients of the sandbox and JSON in scripts; mypy
# for the types of the client.
packages=(binutils ca-certificates curl dpkg-dev g++ git libc6-dev libpq-dev libsqlite3-dev mypy pkg-config python3 python3-venv tzdata zlib1g-dev)
case ${1:-} in
  --browser) packages+=(chromium chromium-driver fonts-inter) ;;
  --postgres) packages+=(iproute2 pgbouncer postgresql) ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done

if ((${#missing[@]})); then
  if ! command -v apt-get >/dev/null; then
    echo "Missing: ${missing[*]}. This is no Debian or Ubuntu; install them your system's way." >&2
    exit 1
  fi
  as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "Run as root, or install sudo: apt-get install ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  # The package would make a database of its own, which nobody here uses, and start a server for it.
  if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/none.conf >/dev/null
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v swift >/dev/null; then
  cat >&2 <<'TEXT'
Swift is not installed, and Debian has no package of it. Pollux needs Swift 6.3 or later:
  https://www.swift.org/install/linux/
TEXT
  exit 1
fi

found=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
if [[ "$(printf '%s\n' "$needed_swift" "$found" | sort -V | head -n 1)" != "$needed_swift" ]]; then
  echo "Swift $found is too old; Pollux needs $needed_swift or later: https://www.swift.org/install/linux/" >&2
  exit 1
fi
