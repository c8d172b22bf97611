#!/bin/sh
# Checks the image recipes: what they build is whole, reproducible and runs. Prints `ok` or `not ok`
# lines and fails when one is not ok. Root is needed to run programs inside (chroot) and for debian.
#
# usage: check.sh [busybox] [debian]      (default: busybox; debian takes a minute and the network)
set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/minidock-images.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
count=0
failures=0

# check NAME COMMAND...: one line of the report.
check() {
  name=$1
  shift
  count=$((count + 1))
  if "$@" >"$work/output" 2>&1; then
    echo "ok $count $name"
  else
    failures=$((failures + 1))
    echo "not ok $count $name # $(tail -n 1 "$work/output")"
  fi
}
skip() {
  count=$((count + 1))
  echo "ok $count $1 # SKIP $2"
}

# equal EXPECTED COMMAND...: its output is exactly EXPECTED.
equal() {
  expected=$1
  shift
  actual=$("$@") || true
  if [ "$actual" != "$expected" ]; then
    echo "expected '$expected', got '$actual'"
    return 1
  fi
}
fails() { ! "$@"; }
mode_of() { stat -c '%a %u:%g' "$1"; }
no_escape() { ! tar tf "$1" | grep -qE '^/|(^|/)\.\.(/|$)'; }
conf_is_fields() { ! grep -vE '^[a-z]+=' "$1"; }

# every_applet ROOT: each applet the program lists is there and is the program.
every_applet() {
  "$1/bin/busybox" --list-full | grep / | while read -r applet; do
    [ "$1/$applet" -ef "$1/bin/busybox" ] || { echo "missing $applet"; exit 1; }
  done
}

common() {
  check "$1: no entry is absolute or climbs" no_escape "$2.tar"
  check "$1: /tmp is 1777" equal '1777 0:0' mode_of "$2/tmp"
  check "$1: /root is 0700" equal '700 0:0' mode_of "$2/root"
  check "$1: the engine's files are left to the engine" \
    fails test -e "$2/etc/resolv.conf" -o -e "$2/etc/hostname"
  check "$1: root and nobody are users" equal 'root nobody' sh -c \
    "awk -F: '\$3 == 0 || \$3 == 65534 { printf \"%s%s\", s, \$1; s = \" \" }' '$2/etc/passwd'"
  check "$1: nobody has a password" fails grep -qE '^[^:]*:[^*!:]' "$2/etc/shadow"
  check "$1: image.conf is key=value" conf_is_fields "$here/$1/image.conf"
}

busybox() {
  image=$work/busybox
  check "busybox: builds" "$here/busybox/build.sh" "$image.tar"
  TMPDIR=$work "$here/busybox/build.sh" "$work/again.tar"
  check "busybox: builds the same bytes twice" cmp "$image.tar" "$work/again.tar"
  check "busybox: refuses a program that is not static" \
    fails env BUSYBOX=/bin/ls "$here/busybox/build.sh" "$work/refused.tar"
  check "busybox: leaves nothing of a failed build" \
    fails test -e "$work/refused.tar" -o -e "$work/refused.tar.part"
  mkdir "$image"
  check "busybox: unpacks" tar xpf "$image.tar" -C "$image"
  common busybox "$image"
  check "busybox: has every applet" every_applet "$image"
  if [ "$(id -u)" = 0 ]; then
    check "busybox: cmd of image.conf runs" equal 'hello 0' chroot "$image" \
      "$(sed -n 's/^cmd=//p' "$here/busybox/image.conf")" -c 'echo hello $(id -u)'
    check "busybox: a login shell reads /etc/profile" equal '/usr/local/sbin' \
      env -i "$(command -v chroot)" "$image" /bin/sh -lc 'echo "${PATH%%:*}"'
    check "busybox: names resolve" equal 'uid=65534(nobody) gid=65534(nogroup)' \
      chroot --userspec=65534:65534 --groups= "$image" /usr/bin/id
  else
    skip "busybox: programs run" "needs root"
  fi
}

debian() {
  image=$work/debian
  if [ "$(id -u)" != 0 ]; then
    skip "debian: builds" "needs root"
    return
  fi
  check "debian: builds" "$here/debian/build.sh" "$image.tar"
  mkdir "$image"
  check "debian: unpacks" tar xpf "$image.tar" -C "$image"
  common debian "$image"
  check "debian: cmd of image.conf runs" equal 'hello 0' chroot "$image" \
    "$(sed -n 's/^cmd=//p' "$here/debian/image.conf")" -c 'echo hello $(id -u)'
  check "debian: dpkg's database is whole" equal '' chroot "$image" dpkg --audit
  check "debian: apt has sources" sh -c "cat '$image'/etc/apt/sources.list \
    '$image'/etc/apt/sources.list.d/* 2>/dev/null | grep -q '^deb .*-security main'"
  check "debian: no package lists or archives" equal '' sh -c \
    "find '$image/var/lib/apt/lists' '$image/var/cache/apt/archives' -name '*_Packages*' -o -name '*.deb'"
  check "debian: machine-id is empty" equal '' cat "$image/etc/machine-id"
}

for image in "${@:-busybox}"; do
  case $image in
    busybox | debian) "$image" ;;
    *)
      echo "usage: $0 [busybox] [debian]" >&2
      exit 2
      ;;
  esac
done
echo "1..$count"
[ "$failures" -eq 0 ]
