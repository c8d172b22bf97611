# minidock as an OCI runtime beside crun and runc: create + start + delete of one bare bundle, memory, and
# a thousand containers one after the other. Sourced by bench.sh; oci.awk prints what it measures.
#
#   BENCH_OCI_CYCLES  containers one after the other (default 1000)
# shellcheck shell=sh disable=SC2154 # bench.sh and peers.sh set the rest

oci_cycles=${BENCH_OCI_CYCLES:-1000}

oci_figure() { printf 'oci-figure\t%s\t%s\n' "$1" "$2" >>"$work/latest"; }

# The bundle is the same for all: crun's or runc's `spec`, or else minidock's.
make_oci_bundle() {
  for runtime in crun runc; do
    if has $runtime; then
      make_bundle $runtime "$work/oci"
      return
    fi
  done
  make_bundle "$work/minidock-oci" "$work/oci"
}

# add_lifecycle LABEL BUNDLE RUNTIME...: its three commands, of which the timer adds up the times.
add_lifecycle() {
  label=$1 bundle=$2
  shift 2
  add "@label=$label" "$oci_mount" "$@" create --bundle "$bundle" "bench{}" @then \
    "$@" start "bench{}" @then "$@" delete "bench{}"
}

add_runtimes() { # add_runtimes BUNDLE
  add_lifecycle minidock "$1" "$work/minidock-oci" --root "$work/oci.minidock"
  ! has crun || add_lifecycle crun "$1" crun --root "$work/oci.crun"
  ! has runc || add_lifecycle runc "$1" runc --root "$work/oci.runc"
}

measure_lifecycle() {
  say "oci: create, start, delete: $rounds rounds"
  new_series oci
  add_runtimes "$work/oci"
  measure oci --rounds "$rounds" --warmup 3 --pause 5
}

# The container's first process is the runtime's own program until it executes the command.
measure_small() {
  say "oci: a container of 8 MB"
  mkdir -p "$work/oci-small"
  sed 's/"resources": {/"resources": { "memory": { "limit": 8388608, "swap": 8388608 },/' \
    "$work/oci/config.json" >"$work/oci-small/config.json"
  if ! grep -q 8388608 "$work/oci-small/config.json"; then
    say "the bundle has no resources to limit, left out"
    return 0
  fi
  new_series oci-small
  add_runtimes "$work/oci-small"
  measure oci-small --rounds 10 --warmup 0 --pause 5
}

# What there is of containers now. Files and parent groups that stay once made are there before.
oci_remains() {
  for process in /proc/[0-9]*; do
    words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
    case $words in *"oci-init "*) echo "process ${process#/proc/}" ;; esac
  done
  awk '{ print "mount", $5 }' /proc/self/mountinfo
  find /sys/fs/cgroup -path '*/minidock-oci/*' -type d 2>/dev/null | sed 's/^/cgroup /'
  find "$work/oci.minidock" -mindepth 1 | sed 's/^/file /'
}

# hundred FIRST: a hundred containers, in milliseconds.
hundred() {
  began=$(nanoseconds)
  for number in $(seq "$1" $(($1 + 99))); do
    "$work/minidock-oci" --root "$work/oci.minidock" create --bundle "$work/oci" "cycle$number" </dev/null >/dev/null
    "$work/minidock-oci" --root "$work/oci.minidock" start "cycle$number"
    "$work/minidock-oci" --root "$work/oci.minidock" delete --force "cycle$number"
  done
  seconds_since "$began"
}

measure_cycles() {
  [ "$oci_cycles" -ge 200 ] || return 0
  say "oci: $oci_cycles containers one after the other"
  hundred 1 >/dev/null
  oci_remains | sort >"$work/before"
  first=$(hundred 1) last=$first
  for number in $(seq 101 100 "$oci_cycles"); do last=$(hundred "$number"); done
  oci_figure cycles "$oci_cycles"
  oci_figure first "$first"
  oci_figure last "$last"
  tries=0
  while oci_remains | sort >"$work/after"; comm -13 "$work/before" "$work/after" >"$work/left"; [ -s "$work/left" ]; do
    tries=$((tries + 1))
    [ $tries -lt 50 ] || break
    sleep 0.2
  done
  oci_figure left "$(wc -l <"$work/left")"
  [ ! -s "$work/left" ] || { say "left behind, among others:"; head -n 5 "$work/left" >&2; }
}

measure_oci() {
  [ -n "$minidock" ] || return 0
  ln -s "$minidock-oci" "$work/minidock-oci"
  # Where crun needs it, none of them sees the v2 hierarchy.
  oci_mount=@mount=/proc/${crun_mount_pid:-self}/ns/mnt
  make_oci_bundle
  measure_lifecycle
  measure_small
  measure_cycles
}
