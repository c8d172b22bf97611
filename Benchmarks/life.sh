# Containers that live: exec, run -d, monitors, five hundred at once, output and logs. Sourced by
# bench.sh, whose series, timer and peers it uses; life.awk prints what it measures.
#
#   BENCH_LIFE_COUNT  containers at once (default 500)
#   BENCH_LIFE_MB     megabytes of a log; ten times as many go through a pipe (default 200)
# shellcheck shell=sh disable=SC2154 # bench.sh and peers.sh set the rest

life_count=${BENCH_LIFE_COUNT:-500}
life_megabytes=${BENCH_LIFE_MB:-200}
life_rounds=3
# A number of seconds that nobody else sleeps: these are the processes to look for afterwards.
life_sleep=1000004

# A figure that is no time of one command: its name and values, one line for each value.
life_figure() { printf 'life\t%s\t%s\n' "$1" "$2" >>"$work/latest"; }

nanoseconds() { date +%s%N; }
seconds_since() { awk -v a="$1" -v b="$(nanoseconds)" 'BEGIN { printf "%.4f", (b - a) / 1e9 }'; }

# The engines' command lines, as far as they work here.
life_engines() {
  life_list=
  ! has podman || life_list="podman"
  ! has docker || life_list="$life_list docker"
}
# engine NAME: its command line, to be split into words.
engine() {
  case $1 in
    podman) echo "$(in_crun_mount) $podman" ;;
    docker) echo "$docker" ;;
  esac
}
# engine_run NAME: the same with what `run` needs.
engine_run() {
  case $1 in
    podman) echo "$(engine podman) run $podman_limits" ;;
    docker) echo "$(engine docker) run" ;;
  esac
}
# engine_remove NAME: the same that removes containers at once.
engine_remove() {
  case $1 in
    podman) echo "$(engine podman) rm --force --time 0" ;;
    docker) echo "$(engine docker) rm --force" ;;
  esac
}
# Removes the container life of every engine.
remove_life() {
  "$minidock" rm -f life >/dev/null 2>&1 || true
  for name in $life_list; do
    # shellcheck disable=SC2046 # a command line
    $(engine_remove "$name") life >/dev/null 2>&1 || true
  done
}
slow_every=$(((rounds + 9) / 10))

# A bundle whose command lives, run in the background under the name life.
start_bundle() { # start_bundle RUNTIME PREFIX
  make_bundle "$1" "$work/$1.life"
  sed -i "s/\"true\"/\"sleep\", \"$life_sleep\"/" "$work/$1.life/config.json"
  # shellcheck disable=SC2086 # a command line
  $2 "$1" --root "$work/$1.state" run --detach --bundle "$work/$1.life" life </dev/null >/dev/null 2>&1
}
stop_bundle() { # stop_bundle RUNTIME PREFIX
  # shellcheck disable=SC2086
  $2 "$1" --root "$work/$1.state" delete --force life >/dev/null 2>&1 || true
}

measure_exec() {
  say "exec: $rounds rounds"
  new_series exec
  "$minidock" run -d --name life busybox sleep $life_sleep >/dev/null
  life_pid=$("$minidock" inspect --format '{{.State.Pid}}' life)
  add @label=minidock "$minidock" exec life true
  add @label=nsenter nsenter -t "$life_pid" -a true
  crun_mount=$(in_crun_mount)
  if has crun && start_bundle crun "$crun_mount"; then
    add @label=crun "@mount=/proc/${crun_mount_pid:-self}/ns/mnt" \
      crun --root "$work/crun.state" exec life true
  fi
  if has runc && start_bundle runc ""; then
    add @label=runc runc --root "$work/runc.state" exec life true
  fi
  for name in $life_list; do
    # shellcheck disable=SC2046
    if $(engine_run "$name") -d --name life bench/busybox sleep $life_sleep >/dev/null 2>&1; then
      add "@label=$name" "@every=$slow_every" $(engine "$name") exec life true
    fi
  done
  measure exec --rounds "$rounds" --warmup 3 --pause 5
  remove_life
  ! has crun || stop_bundle crun "$crun_mount"
  ! has runc || stop_bundle runc ""
}

measure_detached() {
  say "run -d: $rounds rounds"
  new_series detached
  add @label=run "$minidock" run --rm busybox true
  add @label=detached "@before=$minidock rm -f life >/dev/null 2>&1" \
    "$minidock" run -d --name life busybox sleep $life_sleep
  for name in $life_list; do
    # shellcheck disable=SC2046
    add "@label=$name" "@every=$slow_every" \
      "@before=$(engine_remove "$name") life >/dev/null 2>&1 || true" \
      $(engine_run "$name") -d --name life bench/busybox sleep $life_sleep
  done
  measure detached --rounds "$rounds" --warmup 2 --pause 10
  remove_life
}

# memory NAME WORDS...: the mean proportional set size, in kB, of the processes whose command line
# begins so, and how many they are.
memory() {
  name=$1 count=0 total=0
  shift
  for process in /proc/[0-9]*; do
    words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
    case $words in "$1"* | */"$1"*) ;; *) continue ;; esac
    kilobytes=$(awk '/^Pss:/ { print $2 }' "$process/smaps_rollup" 2>/dev/null) || continue
    total=$((total + ${kilobytes:-0}))
    count=$((count + 1))
  done
  [ $count -gt 0 ] || return 0
  life_figure "memory-$name" "$((total / count))"
  life_figure "memory-$name-count" "$count"
}

measure_memory() {
  many=$life_count
  [ "$many" -le 100 ] || many=100
  say "memory: $many containers, ten of each peer"
  start_many "$many" || say "not all of $many could be started"
  sleep 1
  memory minidock "minidock monitor "
  stop_many "$many"
  for name in $life_list; do
    for number in 1 2 3 4 5 6 7 8 9 10; do
      # shellcheck disable=SC2046
      $(engine_run "$name") -d --name "life-$number" bench/busybox sleep $life_sleep >/dev/null 2>&1 || true
    done
    case $name in
      podman) memory podman "conmon " ;;
      docker) memory docker "containerd-shim" ;;
    esac
    # shellcheck disable=SC2046
    $(engine_remove "$name") $(seq -f 'life-%.0f' 1 10) >/dev/null 2>&1 || true
  done
}

start_many() { seq "$1" | xargs -P4 -I{} "$minidock" run -d --name "life-{}" busybox sleep $life_sleep >/dev/null; }
stop_many() {
  # shellcheck disable=SC2046 # names
  "$minidock" rm -f $(seq -f 'life-%.0f' 1 "$1") >/dev/null
}

# What there is of containers now. Files that stay once made (locks, events) are there before.
remains() {
  for process in /proc/[0-9]*; do
    words=$({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null) || continue
    case $words in *"minidock monitor "* | "sleep $life_sleep "*) echo "process ${process#/proc/}" ;; esac
  done
  awk '{ print "mount", $5 }' /proc/self/mountinfo
  # Not by ip: it stumbles over a peer whose namespace is just going.
  awk -F ':' 'NR > 2 { gsub(/ /, "", $1); print "link", $1 }' /proc/net/dev
  find /sys/fs/cgroup -path "*/${own_group:-minidock}/*" -type d 2>/dev/null | sed 's/^/cgroup /'
  find "$work/minidock" -mindepth 1 ! -name 'events*' | sed 's/^/file /'
}

# The kernel takes network namespaces down in its own time: that is waited for, and told.
count_remains() {
  before_waiting=$(nanoseconds)
  tries=0
  while remains | sort >"$work/after"; comm -13 "$work/before" "$work/after" >"$work/left"; [ -s "$work/left" ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || break
    sleep 0.2
  done
  life_figure clean-seconds "$(seconds_since "$before_waiting")"
  life_figure left "$(wc -l <"$work/left")"
  [ ! -s "$work/left" ] || { say "left behind, among others:"; head -n 5 "$work/left" >&2; }
}

measure_many() {
  start_many 2 && stop_many 2
  sleep 1
  remains | sort >"$work/before"
  new_series alone
  add @label=run "$minidock" run --rm busybox true
  measure alone --rounds "$rounds" --warmup 2 --pause 10
  for round in $(seq $life_rounds); do
    say "$life_count containers at once: round $round of $life_rounds"
    began=$(nanoseconds)
    start_many "$life_count" || say "not all could be started"
    elapsed=$(seconds_since "$began")
    running=$("$minidock" ps -q | wc -l)
    life_figure start-per-second "$(awk -v n="$running" -v s="$elapsed" 'BEGIN { printf "%.1f", n / s }')"
    life_figure not-started "$((life_count - running))"
    if [ "$round" = 1 ]; then
      new_series beside
      add @label=ps "$minidock" ps
      add @label=run "$minidock" run --rm busybox true
      measure beside --rounds "$rounds" --warmup 2 --pause 10
    fi
    began=$(nanoseconds)
    stop_many "$life_count"
    elapsed=$(seconds_since "$began")
    life_figure remove-per-second "$(awk -v n="$running" -v s="$elapsed" 'BEGIN { printf "%.1f", n / s }')"
    count_remains
  done
}

make_stream() {
  mkdir -p "$work/stream"
  base64 -w 99 /dev/urandom | head -c "${life_megabytes}000000" >"$work/stream/log"
  for _ in 1 2 3 4 5 6 7 8 9 10; do cat "$work/stream/log"; done >"$work/stream/ten"
  life_figure log-megabytes "$life_megabytes"
}

# The reader is the same for all: another program at the end of a pipe.
through_pipe() { echo "$* | cat >/dev/null"; }

measure_output() {
  say "output: ${life_megabytes}0 MB through a pipe, $life_rounds rounds"
  new_series output
  volume="-v $work/stream:/stream:ro"
  cat_ten="cat /stream/ten"
  add @label=bare sh -c "$(through_pipe "$work/rootfs/bin/busybox cat $work/stream/ten")"
  add @label=minidock sh -c "$(through_pipe "$minidock run --rm $volume busybox $cat_ten")"
  add @label=minidock-log sh -c \
    "$(through_pipe "$minidock run --rm --log-driver local --log-opt max-size=100m $volume busybox $cat_ten")"
  for name in $life_list; do
    add "@label=$name" "@every=$life_rounds" sh -c \
      "$(through_pipe "$(engine_run "$name") --rm $volume bench/busybox $cat_ten")"
  done
  measure output --rounds $life_rounds --warmup 1
  rm -f "$work/stream/ten"
}

measure_logs() {
  say "log: $life_megabytes MB, $life_rounds rounds"
  new_series log-write
  volume="-v $work/stream:/stream:ro"
  add @label=minidock "@before=$minidock rm -f life >/dev/null 2>&1" sh -c \
    "$minidock run -d --name life --log-opt max-size=$((life_megabytes * 3 / 2))m $volume busybox cat /stream/log && $minidock wait life"
  for name in $life_list; do
    add "@label=$name" "@every=$life_rounds" "@before=$(engine_remove "$name") life >/dev/null 2>&1 || true" sh -c \
      "$(engine_run "$name") -d --name life $volume bench/busybox cat /stream/log && $(engine "$name") wait life"
  done
  measure log-write --rounds $life_rounds --warmup 1
  new_series log-read
  add @label=minidock sh -c "$(through_pipe "$minidock logs life")"
  for name in $life_list; do
    add "@label=$name" "@every=$life_rounds" sh -c "$(through_pipe "$(engine "$name") logs life")"
  done
  measure log-read --rounds $((life_rounds * 3)) --warmup 1
  if "$minidock" logs life | cmp -s - "$work/stream/log"; then
    life_figure log-differs 0
  else
    life_figure log-differs 1
  fi
  remove_life
}

measure_life() {
  [ -n "$minidock" ] || return 0
  life_engines
  measure_exec
  measure_detached
  measure_memory
  measure_many
  make_stream
  measure_output
  measure_logs
  rm -rf "$work/stream"
}
