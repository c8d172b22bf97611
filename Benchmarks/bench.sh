#!/bin/sh
# Measures minidock against the floor (C that does the same job) and against the engines installed
# here, in one run and interleaved, and draws the result. A report, never a test: it fails only when
# what it runs fails.
#
# usage: bench.sh [MINIDOCK] [--rounds N] [--no-peers] [--no-import] [--no-life] [--no-network] [--no-oci]
#                 [--no-image] [--life-only] [--network-only] [--oci-only] [--image-only] [--install-peers]
#                 [--results DIR] [--chart FILE]
#   MINIDOCK         the program to measure (default: .build/release/minidock)
#   --rounds         runs of each quick command (default 60; docker and podman get ten)
#   --life-only      only containers that live: exec, run -d, hundreds at once, output, logs (life.sh;
#                    BENCH_LIFE_COUNT=50 BENCH_LIFE_MB=20 for a quick look); --no-life leaves them out
#   --network-only   only networks: throughput, latency, cost (network.sh; BENCH_NETWORK_COUNT=50
#                    BENCH_NETWORK_SECONDS=1 for a quick look); --no-network leaves them out
#   --oci-only       only create, start and delete as an OCI runtime, beside crun and runc (oci.sh)
#   --image-only     only images: load, pull and the list of many (image.sh; BENCH_IMAGE_MB=100
#                    BENCH_IMAGE_COUNT=100 for a quick look); --no-image leaves them out
#   --install-peers  install Debian's crun, runc, podman and docker.io first
#   --results        where latest.tsv and steps.tsv go (default build/bench)
#   --chart          the chart (default docs/benchmark.svg)
#
# Everything happens on a tmpfs and in network, mount and pid namespaces of the benchmark's own:
# bridges, NAT rules, mounts and daemons, also those of docker and podman, die with it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/.." && pwd)
minidock=$top/.build/release/minidock
rounds=60 peers=yes import=yes install=no start=yes life=yes network=yes oci=yes images=yes
engines=yes
results=$top/build/bench
chart=$top/docs/benchmark.svg

usage() {
  sed -n 's/^# \{0,1\}//; 5,24p' "$0" >&2
  exit 2
}
arguments=$*
while [ $# -gt 0 ]; do
  case $1 in
    --rounds) rounds=$2; shift ;;
    --results) results=$2; shift ;;
    --chart) chart=$2; shift ;;
    --no-peers) peers=no ;;
    --no-import) import=no ;;
    --no-life) life=no ;;
    --no-network) network=no ;;
    --no-oci) oci=no ;;
    --life-only) start=no import=no network=no oci=no images=no ;;
    --network-only) start=no import=no life=no peers=no oci=no images=no ;;
    --oci-only) start=no import=no life=no network=no engines=no images=no ;;
    --no-image) images=no ;;
    --image-only) start=no import=no life=no network=no oci=no ;;
    --install-peers) install=yes ;;
    -*) usage ;;
    *) minidock=$1 ;;
  esac
  shift
done

# Links to it are made elsewhere. (What is no file is reported below.)
minidock=$(realpath -m "$minidock")
if [ "$(id -u)" != 0 ]; then
  echo "bench: needs root, to make namespaces and cgroups" >&2
  exit 1
fi
# shellcheck source=Benchmarks/peers.sh
. "$here/peers.sh"
# shellcheck source=Benchmarks/life.sh
. "$here/life.sh"
# shellcheck source=Benchmarks/network.sh
. "$here/network.sh"
# shellcheck source=Benchmarks/oci.sh
. "$here/oci.sh"
# shellcheck source=Benchmarks/image.sh
. "$here/image.sh"
[ "$install" = no ] || install_peers
if [ -z "${MINIDOCK_BENCH_INSIDE:-}" ]; then
  # shellcheck disable=SC2086 # paths with spaces are not worth an array in sh
  MINIDOCK_BENCH_INSIDE=1 exec unshare --net --mount --propagation private \
    --pid --fork --kill-child --mount-proc -- "$0" $arguments
fi

shm=/dev/shm
[ "$(stat -f -c %T $shm)" = tmpfs ] || { echo "bench: $shm is no tmpfs" >&2; exit 1; }
work=$(mktemp -d $shm/minidock-bench.XXXXXX)
chmod 755 "$work"
own_group=
existing_groups=$(find /sys/fs/cgroup -maxdepth 2 -type d 2>/dev/null | sort)

# Undoes in the opposite order; the namespaces do the rest.
finish() {
  trap '' INT TERM HUP PIPE
  image_stop_registry
  stop_peers
  awk -v work="$work/" 'index($5, work) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
    while read -r mount; do umount -l "$mount" 2>/dev/null || true; done
  # Only groups that were not here before, by name, and only empty ones.
  find /sys/fs/cgroup -maxdepth 2 -type d \( -name floor -o -name "${own_group:-floor}" \
    -o -name docker -o -name libpod_parent -o -name minidock-oci \) 2>/dev/null | while read -r group; do
    echo "$existing_groups" | grep -qxF "$group" ||
      find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP PIPE

say() { echo "bench: $*" >&2; }

build() {
  gcc -O2 -o "$work/timer" "$here/timer/timer.c"
  gcc -O2 -o "$work/maketar" "$here/timer/maketar.c"
  gcc -O2 -static -o "$work/floor" "$here"/floor/floor.c "$here"/floor/cgroup.c \
    "$here"/floor/network.c "$here"/floor/privileges.c "$here"/floor/rootfs.c
  gcc -O2 -o "$work/hello" "$here/floor/floor-hello.c"
  gcc -O2 -o "$work/floor-seccomp" "$here/floor/floor-seccomp.c" -lseccomp
  "$work/floor-seccomp" "$work/filter.bpf"
}

prepare() {
  ip link set lo up
  ip link add floor0 type bridge
  ip addr add 10.99.0.1/16 dev floor0
  ip link set floor0 up
  "$top/images/busybox/build.sh" "$work/busybox.tar"
  mkdir "$work/rootfs"
  tar xpf "$work/busybox.tar" -C "$work/rootfs"
  export MINIDOCK_ROOT="$work/minidock/root" MINIDOCK_RUNROOT="$work/minidock/run"
  mkdir -p "$work/minidock"
  if [ -x "$minidock" ]; then
    "$minidock" import "$work/busybox.tar" busybox >/dev/null
    "$minidock" run --name probe busybox true || { echo "bench: $minidock does not run" >&2; exit 1; }
    # Its parent group stays after a container, and is this benchmark's to remove.
    own_group=$("$minidock" inspect --format '{{.HostConfig.CgroupPath}}' probe 2>/dev/null) || true
    own_group=$(basename "$(dirname "${own_group:-/}")")
    "$minidock" rm probe >/dev/null 2>&1 || true
  else
    say "$minidock: not built, measuring the others"
    minidock=
  fi
}

# The command lines of a series are collected in a file, one argument a line, and given to the timer
# with its "--" between them.
series=
new_series() { series=$work/$1.series; : >"$series"; }
add() {
  [ ! -s "$series" ] || echo -- >>"$series"
  printf '%s\n' "$@" >>"$series"
}
measure() { # measure GROUP TIMER-OPTIONS...
  group=$1
  shift
  set -- "$@" --
  while IFS= read -r argument; do set -- "$@" "$argument"; done <"$series"
  "$work/timer" "$@" >"$work/$group.tsv"
  awk -v OFS='\t' -v group="$group" 'NR > 1 { print group, $0 }' "$work/$group.tsv" >>"$work/latest"
}

floor="$work/floor --lower $work/rootfs --state $work/floor.state --seccomp $work/filter.bpf"

measure_start() {
  say "start: $rounds rounds"
  new_series start
  if [ -n "$minidock" ]; then
    add @label=minidock-bridge "$minidock" run --rm busybox true
    add @label=minidock-none "$minidock" run --rm --network none busybox true
    add @label=minidock-version "$minidock" --version
  fi
  # shellcheck disable=SC2086 # $floor is a command line
  add @label=floor-bridge $floor --network bridge true
  # shellcheck disable=SC2086
  add @label=floor-none $floor --network none true
  add @label=hello "$work/hello"
  [ "$peers" = no ] || add_peers
  measure start --rounds "$rounds" --warmup 3 --pause 10
}

measure_steps() {
  [ -n "$minidock" ] || return 0
  new_series steps
  add @label=minidock-trace "@stderr=$work/trace" "$minidock" run --rm --trace busybox true
  measure steps --rounds "$rounds" --warmup 0 --pause 10
  # Medians of "step NAME MICROSECONDS", in the order they first came.
  sort -k2,2 -k3,3n "$work/trace" 2>/dev/null | awk -v OFS='\t' '
    function flush() { if (n) print name, value[int((n + 1) / 2)], n }
    $1 != "step" { next }
    $2 != name { flush(); name = $2; n = 0 }
    { value[++n] = $3 }
    END { flush() }' >"$work/medians"
  awk -v OFS='\t' 'NR == FNR { line[$1] = $0; next }
    $1 == "step" && $2 in line { print line[$2]; delete line[$2] }' \
    "$work/medians" "$work/trace" >"$work/steps"
}

measure_parallel() {
  say "parallel: 200 at once"
  new_series parallel
  if [ -n "$minidock" ]; then
    add @label=minidock-bridge "@stderr=$work/parallel.errors" "$minidock" run --rm busybox true
  fi
  # shellcheck disable=SC2086
  add @label=floor-bridge "@stderr=$work/parallel.errors" $floor --network bridge true
  measure parallel --parallel 200 --rounds 3 --pause 300
  if [ -s "$work/parallel.errors" ]; then
    say "first errors of the parallel runs:"
    head -n 5 "$work/parallel.errors" >&2
  fi
}

measure_import() {
  [ "$import" = yes ] || return 0
  command -v bsdtar >/dev/null || { say "import: needs bsdtar (libarchive-tools), left out"; return 0; }
  "$work/maketar" >"$work/big.tar"
  say "import: $(stat -c %s "$work/big.tar") bytes"
  hash="sha256sum"
  ! command -v openssl >/dev/null || hash="openssl dgst -sha256"
  new_series import
  # Each finds its destination empty, made before the clock starts.
  if [ -n "$minidock" ]; then
    add @label=minidock "@before=rm -rf $work/imported" "$minidock" --root "$work/imported/root" \
      --runroot "$work/imported/run" import "$work/big.tar" big
  fi
  add "@label=bsdtar + ${hash%% *}" "@before=rm -rf $work/unpacked && mkdir $work/unpacked" \
    sh -c "bsdtar -xpf $work/big.tar -C $work/unpacked && $hash $work/big.tar"
  measure import --rounds 5 --warmup 1
  rm -rf "$work/imported" "$work/unpacked" "$work/big.tar"
}

machine() {
  cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  system=$(. /etc/os-release && echo "$PRETTY_NAME")
  echo "$(nproc) x ${cpu:-processor}, Linux $(uname -r), $system, tmpfs"
}

report() {
  mkdir -p "$results"
  {
    printf '# %s\n# %s\n' "$(machine)" "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    cat "$work/latest"
  } >"$results/latest.tsv"
  [ ! -s "$work/steps" ] || cp "$work/steps" "$results/steps.tsv"
  if [ "$start" = yes ]; then
    awk -f "$here/report.awk" "$results/latest.tsv"
  else
    sed -n 's/^# //p' "$results/latest.tsv"
  fi
  awk -f "$here/life.awk" "$results/latest.tsv"
  awk -f "$here/network.awk" "$results/latest.tsv"
  awk -f "$here/oci.awk" "$results/latest.tsv"
  awk -f "$here/image.awk" "$results/latest.tsv"
  if [ -s "$work/steps" ]; then
    echo
    echo "where a run's time goes (minidock run --trace, medians)"
    awk -F '\t' '{ printf "  %-28s %8.3f ms\n", $1, $2 / 1000 }' "$work/steps"
  fi
  say "results in $results"
  [ "$start" = yes ] || return 0
  mkdir -p "$(dirname "$chart")"
  awk -f "$here/chart.awk" "$results/latest.tsv" >"$work/chart.svg"
  cp "$work/chart.svg" "$chart"
  say "chart in $chart"
}

say "preparing"
build
prepare
[ "$peers" = no ] || start_peers
if [ "$start" = yes ]; then
  measure_start
  measure_steps
  measure_parallel
fi
measure_import
[ "$life" = no ] || measure_life
[ "$network" = no ] || measure_network
[ "$oci" = no ] || measure_oci
[ "$images" = no ] || measure_image
report
