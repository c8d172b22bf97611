#!/bin/sh
# Boots a real cgroup-v2 machine in QEMU and runs checks.sh in it with a minidock binary. Development
# machines are often hybrid v1; this is how v2 is tested everywhere. Prints the machine's `ok` and
# `not ok` lines; fails on any `not ok`, and when the machine died or said nothing.
#
# usage: run.sh MINIDOCK_BINARY      or: run.sh --self-test    (the machine alone)
#        run.sh --systemd MINIDOCK_BINARY    (with this host's systemd as its first process: systemd.sh)
#   VM_DIRECTORY  where the kernel and the image are kept (default: build/vm)
#   VM_SECONDS    time limit (default: 600)
#   VM_OPTIONS    more words for the kernel, such as systemd.unified_cgroup_hierarchy=0 with --systemd
#   VM_ACCEL      kvm or tcg (default: kvm when it boots, else tcg)
#
# Installs what it needs when missing: qemu-system-x86, kmod, cpio, busybox-static. The kernel,
# Debian's linux-image-cloud-amd64, is fetched and unpacked, never installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
directory=${VM_DIRECTORY:-$top/build/vm}
seconds=${VM_SECONDS:-600}

systemd=
if [ "${1:-}" = --systemd ]; then
  systemd=yes
  shift
  for file in /lib/systemd/systemd /usr/bin/systemctl /usr/bin/dbus-daemon /usr/share/dbus-1/system.conf; do
    if [ ! -e $file ]; then
      echo "ok 1 a machine with systemd # SKIP there is no $file here"
      exit 0
    fi
  done
fi
case ${1:-} in
  --self-test) minidock= ;;
  -* | '')
    echo "usage: $0 MINIDOCK_BINARY | --self-test" >&2
    exit 2
    ;;
  *)
    minidock=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
    if [ ! -x "$minidock" ]; then
      echo "vm: $1: no such program" >&2
      exit 2
    fi
    ;;
esac

# Each brings what it depends on. No disk and no network card: the machine lives in memory.
modules="overlay veth bridge nf_tables nf_conntrack nf_nat nft_ct nft_chain_nat nft_masq nft_nat nft_meta_bridge \
  nft_redir nft_reject_inet nft_fib_inet nft_limit nft_log nft_numgen nft_hash tun dummy lzo_rle zram \
  unix_diag tcp_diag udp_diag raw_diag af_packet_diag netlink_diag nf_conntrack_netlink"

mkdir -p "$directory"
work=$(mktemp -d "${TMPDIR:-/tmp}/minidock-vm.XXXXXX")
qemu=
finish() {
  [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

install_missing() {
  packages=
  command -v qemu-system-x86_64 >/dev/null || packages="$packages qemu-system-x86"
  command -v depmod >/dev/null || packages="$packages kmod"
  command -v cpio >/dev/null || packages="$packages cpio"
  [ -n "$packages" ] || return 0
  # shellcheck disable=SC2086 # a list of packages
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $packages >&2 || {
    apt-get -q update >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends $packages >&2
  }
}

# Unpacks the kernel package that linux-image-cloud-amd64 depends on, once.
fetch_kernel() {
  [ ! -e "$directory/kernel/complete" ] || return 0
  rm -rf "$directory/kernel"
  mkdir -p "$directory/kernel"
  package=$(newest_kernel)
  if [ -z "$package" ]; then
    apt-get -q update >&2
    package=$(newest_kernel)
  fi
  # apt fetches as its own user, who must be able to write there.
  chmod 755 "$work"
  mkdir -m 777 "$work/deb"
  (cd "$work/deb" && { apt-get -q download "$package" ||
    { apt-get -q update && apt-get -q download "$package"; }; }) >&2
  dpkg-deb -x "$work"/deb/linux-image-*.deb "$directory/kernel"
  # The path of depmod's base directory holds lib/modules, as the package's does.
  depmod -b "$directory/kernel" "$(ls "$directory/kernel/lib/modules")"
  touch "$directory/kernel/complete"
}
newest_kernel() {
  apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }'
}

# copy_program PROGRAM DESTINATION: with the shared libraries it is linked to.
copy_program() {
  install -D -m 755 "$1" "$work/root/$2"
  LC_ALL=C ldd "$1" 2>/dev/null | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
    while read -r library; do
      [ -e "$work/root/$library" ] || install -D -m 755 "$library" "$work/root/$library"
    done
}

# The image holds: the busybox root file system, this directory's scripts, modules in load order, the
# program, and the busybox tar to import.
make_image() {
  "$top/images/busybox/build.sh" "$work/busybox.rootfs.tar"
  mkdir -p "$work/root/modules" "$work/root/checks" "$work/root/images"
  tar xf "$work/busybox.rootfs.tar" -C "$work/root"
  cp "$work/busybox.rootfs.tar" "$work/root/images/"
  cp "$here"/*.sh "$work/root/checks/"
  install -m 755 "$here/init" "$work/root/init"
  version=$(ls "$directory/kernel/lib/modules")
  for module in $modules; do
    modprobe -d "$directory/kernel" -S "$version" --show-depends "$module" |
      awk '$1 == "insmod" { print $2 }'
  done | awk '!seen[$0]++' >"$work/modules"
  while read -r file; do
    cp "$file" "$work/root/modules/"
    basename "$file"
  done <"$work/modules" >"$work/root/modules/order"
  if [ -n "$minidock" ]; then
    copy_program "$minidock" usr/bin/minidock
    install -m 755 "$minidock-oci" "$work/root/usr/bin/minidock-oci"
  fi
  # dlopened, so not in ldd's list.
  for library in libarchive.so.13 libisal.so.2; do
    if [ -n "$minidock" ] && [ -e "/usr/lib/x86_64-linux-gnu/$library" ] &&
      grep -q "$library" "$minidock"; then
      copy_program "/usr/lib/x86_64-linux-gnu/$library" "usr/lib/x86_64-linux-gnu/$library"
    fi
  done
  [ -z "$systemd" ] || { add_systemd && add_criu; }
  (cd "$work/root" && find . -print0 | cpio --null --create --format=newc --quiet) |
    gzip -1 >"$work/initrd.gz"
}

# This host's systemd and bus with units of their own, which start the checks and nothing else.
add_systemd() {
  for program in /lib/systemd/systemd /lib/systemd/systemd-shutdown /usr/bin/systemctl \
    /usr/bin/dbus-daemon; do
    copy_program "$program" "${program#/}"
  done
  mkdir -p "$work/root/etc/systemd/system" "$work/root/usr/share/dbus-1/system.d" \
    "$work/root/lib/systemd/system" "$work/root/usr/lib/systemd/user" "$work/root/run/dbus"
  cp "$here"/units/* "$work/root/lib/systemd/system/"
  printf '[Unit]\nDefaultDependencies=no\n' >"$work/root/usr/lib/systemd/user/default.target"
  ln -s checks.target "$work/root/lib/systemd/system/default.target"
  cp /usr/share/dbus-1/system.conf "$work/root/usr/share/dbus-1/"
  cp /usr/share/dbus-1/system.d/org.freedesktop.systemd1.conf "$work/root/usr/share/dbus-1/system.d/"
  # Debian's bus goes by this name.
  echo 'messagebus:x:100:100::/nonexistent:/bin/false' >>"$work/root/etc/passwd"
  echo 'messagebus:x:100:' >>"$work/root/etc/group"
  echo 0123456789abcdef0123456789abcdef >"$work/root/etc/machine-id"
}

# What criu calls comes along: Debian's tar, which knows more than busybox's.
add_criu() {
  command -v criu >/dev/null || return 0
  for program in criu tar gzip ip; do
    copy_program "$(command -v $program)" "usr/local/sbin/$program"
  done
}

# The pc machine: microvm has no timer that the cloud kernel of 2026 calibrates with under TCG.
# boot ACCELERATOR SECONDS LOG: runs the machine to its end, or to the limit.
boot() {
  kernel=$(ls "$directory"/kernel/boot/vmlinuz-*)
  cpu=max
  [ "$1" = tcg ] || cpu=host
  timeout "$2" qemu-system-x86_64 -M pc -accel "$1" -cpu "$cpu" -m 768 -smp 2 \
    -nodefaults -display none -serial stdio -no-reboot -kernel "$kernel" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 quiet loglevel=1 panic=-1 ${4:-}" </dev/null >"$3" 2>&1 &
  qemu=$!
  code=0
  wait "$qemu" || code=$?
  qemu=
  return "$code"
}

# A /dev/kvm that is there need not work (nested machines): a short boot tells.
choose_accelerator() {
  if [ -n "${VM_ACCEL:-}" ]; then
    echo "$VM_ACCEL"
  elif [ -w /dev/kvm ] && boot kvm 20 "$work/probe" vm.probe && grep -q '^# machine up' "$work/probe"
  then
    echo kvm
  else
    echo tcg
  fi
}

install_missing
fetch_kernel
make_image
accelerator=$(choose_accelerator 2>/dev/null)
log=$directory/console${systemd:+-systemd}.log
code=0
boot "$accelerator" "$seconds" "$log" "${systemd:+vm.systemd} ${VM_OPTIONS:-}" || code=$?
tr -d '\r' <"$log" >"$work/console"

awk -v accelerator="$accelerator" -v code="$code" '
  /^(not )?ok [0-9]+ / { print; lines++; if ($1 == "not") failed++; next }
  /^#/ { print; next }
  /^1\.\.[0-9]+$/ { split($0, plan, "\\.\\."); planned = plan[2]; seen = 1 }
  END {
    print "# " lines + 0 " checks, " failed + 0 " failed, on " accelerator
    if (!seen || planned != lines) {
      print "not ok " lines + 1 " the machine came to its end # qemu ended with " code \
        (code == 124 ? ", the time limit" : "")
      exit 1
    }
    exit failed > 0
  }' "$work/console" || {
  echo "# the console is in $log" >&2
  exit 1
}
