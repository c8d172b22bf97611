#!/bin/sh
# Makes the root file system of the busybox image as one tar archive. The same busybox program
# gives the same bytes: entries are sorted, times fixed, owners numeric.
#
# usage: build.sh OUT.tar
#   BUSYBOX=FILE       a statically linked busybox to use instead of Debian's
#   SOURCE_DATE_EPOCH  time stamp of every entry, in seconds (default: 2025-01-01)
set -eu

if [ $# -ne 1 ]; then
  echo "usage: $0 OUT.tar" >&2
  exit 2
fi
case $1 in
  /*) out=$1 ;;
  *) out=$PWD/$1 ;;
esac
epoch=${SOURCE_DATE_EPOCH:-1735689600}

work=$(mktemp -d "${TMPDIR:-/tmp}/minidock-busybox.XXXXXX")
trap 'rm -rf "$work" "$out.part"' EXIT
trap 'exit 130' INT TERM
umask 022

is_static() {
  [ -x "$1" ] && ! LC_ALL=C ldd "$1" 2>/dev/null | grep -q '=>\|ld-linux'
}

# An installed busybox serves when it is the static one; otherwise Debian's package is fetched and
# unpacked, never installed.
find_busybox() {
  if [ -n "${BUSYBOX:-}" ]; then
    echo "$BUSYBOX"
    return
  fi
  for program in /bin/busybox /usr/bin/busybox; do
    if is_static "$program"; then
      echo "$program"
      return
    fi
  done
  mkdir "$work/deb"
  # apt fetches as its own user, who must be able to write there.
  chmod 755 "$work"
  chmod 777 "$work/deb"
  (cd "$work/deb" && apt-get -q download busybox-static) >&2
  dpkg-deb -x "$work"/deb/busybox-static_*.deb "$work/deb"
  find "$work/deb" -type f -name busybox -print -quit
}

busybox=$(find_busybox)
if ! is_static "$busybox"; then
  echo "busybox image: $busybox: not a statically linked program" >&2
  exit 1
fi

root=$work/root
mkdir "$root"
for directory in bin dev etc etc/profile.d home proc root run sbin sys tmp usr usr/bin usr/sbin \
  usr/local usr/local/bin usr/local/sbin var var/log var/spool var/spool/cron \
  var/spool/cron/crontabs var/tmp mnt opt srv media; do
  mkdir "$root/$directory"
done
ln -s ../run "$root/var/run"
chmod 0700 "$root/root"
chmod 1777 "$root/tmp" "$root/var/tmp"

# Every applet is a hard link, as in docker's image: one inode, and no link to follow at exec.
cp "$busybox" "$root/bin/busybox"
chmod 0755 "$root/bin/busybox"
"$root/bin/busybox" --list-full | while read -r applet; do
  case $applet in
    */*) ;;
    *) continue ;; # linuxrc: only an initramfs wants it
  esac
  mkdir -p "$root/${applet%/*}"
  [ -e "$root/$applet" ] || ln "$root/bin/busybox" "$root/$applet"
done

cp "$(dirname "$0")"/etc/* "$root/etc/"
chmod 0644 "$root"/etc/passwd "$root"/etc/group "$root"/etc/profile
chmod 0600 "$root/etc/shadow"

mkdir -p "$(dirname "$out")"
tar --create --file "$out.part" --directory "$root" --sort=name --mtime="@$epoch" \
  --numeric-owner --owner=0 --group=0 --format=ustar .
mv "$out.part" "$out"
