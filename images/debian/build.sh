#!/bin/sh
# Makes the root file system of the debian image (minbase) as one tar archive, from the mirror and
# the release that this machine's apt is configured with.
#
# usage: build.sh OUT.tar        (as root)
#   SUITE=NAME         release (default: this machine's, else stable)
#   MIRROR=URL         archive (default: that of apt here, else deb.debian.org)
#   SOURCE_DATE_EPOCH  newest time stamp of an entry, in seconds (default: 2025-01-01)
set -eu

if [ $# -ne 1 ]; then
  echo "usage: $0 OUT.tar" >&2
  exit 2
fi
if [ "$(id -u)" != 0 ]; then
  echo "debian image: needs root, to make a root file system with its owners" >&2
  exit 1
fi
case $1 in
  /*) out=$1 ;;
  *) out=$PWD/$1 ;;
esac
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600}
export SOURCE_DATE_EPOCH

if [ -r /etc/os-release ]; then
  host=$(. /etc/os-release && echo "${ID:-}/${VERSION_CODENAME:-}")
else
  host=
fi
case $host in
  debian/?*) suite=${SUITE:-${host#debian/}} ;;
  *) suite=${SUITE:-stable} ;;
esac

# The archive apt reads this release's main component from.
apt_mirror() {
  apt-get indextargets --format '$(CREATED_BY) $(RELEASE) $(COMPONENT) $(REPO_URI)' 2>/dev/null |
    awk -v suite="$suite" '$1 == "Packages" && $2 == suite && $3 == "main" { print $4; exit }'
}
mirror=${MIRROR:-$(apt_mirror)}
mirror=${mirror:-http://deb.debian.org/debian}

part=$out.part
work=
finish() {
  rm -f "$part"
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
mkdir -p "$(dirname "$out")"

if ! command -v mmdebstrap >/dev/null && ! command -v debootstrap >/dev/null; then
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends mmdebstrap >&2
fi

# A container's apt looks for updates and security fixes where Debian publishes them.
sources() {
  echo "deb $mirror $suite main"
  case $suite in
    sid | unstable | testing) ;;
    *)
      echo "deb $mirror $suite-updates main"
      echo "deb http://deb.debian.org/debian-security $suite-security main"
      ;;
  esac
}

if command -v mmdebstrap >/dev/null; then
  # Without the machine's identity and without the package lists, which are stale the next day.
  sources | mmdebstrap --quiet --variant=minbase --mode=root --format=tar \
    --aptopt='Acquire::Languages "none"' \
    --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"' \
    --customize-hook=': > "$1/etc/machine-id"' \
    "$suite" "$part" -
else
  work=$(mktemp -d "${TMPDIR:-/tmp}/minidock-debian.XXXXXX")
  debootstrap --variant=minbase "$suite" "$work/root" "$mirror" >&2
  sources > "$work/root/etc/apt/sources.list"
  rm -rf "$work/root/var/cache/apt/archives"/*.deb "$work/root/var/lib/apt/lists"/*
  rm -f "$work/root/etc/hostname" "$work/root/etc/resolv.conf"
  : > "$work/root/etc/machine-id"
  tar --create --file "$part" --directory "$work/root" --one-file-system --sort=name \
    --mtime="@$SOURCE_DATE_EPOCH" --clamp-mtime --numeric-owner --xattrs --format=pax .
fi
mv "$part" "$out"
