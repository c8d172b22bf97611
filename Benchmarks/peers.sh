# The other engines, as bench.sh measures them: sourced by it. Each gets its state on the benchmark's
# tmpfs, and is left out, with a word on why, when it does not work here.
# shellcheck shell=sh disable=SC2154 # bench.sh sets the rest

docker_pid=
podman_lock=
crun_mount_pid=
available=

install_peers() {
  policy=/usr/sbin/policy-rc.d
  made=no
  # Debian's way to install a service without starting it.
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
    made=yes
  fi
  DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    crun runc podman docker.io iptables libarchive-tools openssl >&2 || echo "bench: not all peers" >&2
  [ "$made" = no ] || rm -f $policy
}

# try NAME COMMAND...: whether a peer works here.
try() {
  name=$1
  shift
  if timeout 60 "$@" >"$work/try" 2>&1; then
    available="$available $name"
  else
    say "$name: left out: $(tail -n 1 "$work/try" | cut -c 1-160)"
    return 1
  fi
}
has() { case " $available " in *" $1 "*) ;; *) return 1 ;; esac; }

# A bundle as `spec` makes it, which runs true and has no terminal. The root file system is shared. crun's has
# ambient capabilities that nobody can grant, as they are not inheritable: minidock says so at each create.
make_bundle() { # make_bundle RUNTIME DIRECTORY
  mkdir -p "$2"
  (cd "$2" && "$1" spec)
  sed -i 's/"terminal": true/"terminal": false/; s/"sh"/"true"/; s#"path": "rootfs"#"path": "'"$work/rootfs"'"#
    /"ambient": \[/,/\]/{/"CAP_/d}' "$2/config.json"
}

in_crun_mount() { [ -z "$crun_mount_pid" ] || echo "nsenter --mount=/proc/$crun_mount_pid/ns/mnt"; }

start_runtimes() {
  if command -v crun >/dev/null; then
    make_bundle crun "$work/crun"
    if ! try crun crun --root "$work/crun.state" run --bundle "$work/crun" probe; then
      # crun 1.8 refuses a host that has v1 controllers and v2 at "unified": it is shown one without.
      unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec sleep 100000' 2>/dev/null &
      crun_mount_pid=$!
      sleep 0.3
      ! try crun nsenter "--mount=/proc/$crun_mount_pid/ns/mnt" \
        crun --root "$work/crun.state" run --bundle "$work/crun" probe ||
        say "crun: measured where cgroup v2's \"unified\" is not mounted"
    fi
  fi
  if command -v runc >/dev/null; then
    make_bundle runc "$work/runc"
    try runc runc --root "$work/runc.state" run --bundle "$work/runc" probe || true
  fi
}

# podman calls crun, so what crun needs it needs too; and it raises limits, which not every root may.
start_podman() {
  command -v podman >/dev/null || return 0
  mkdir -p "$work/podman/networks"
  [ -e /dev/shm/libpod_lock ] || podman_lock=/dev/shm/libpod_lock  # its own, to be removed
  podman="podman --root $work/podman/root --runroot $work/podman/run --tmpdir $work/podman/tmp \
    --storage-driver overlay --cgroup-manager cgroupfs --events-backend none \
    --network-config-dir $work/podman/networks"
  # shellcheck disable=SC2086 # command lines
  $(in_crun_mount) $podman import "$work/busybox.tar" bench/busybox >/dev/null 2>&1 || true
  for podman_limits in "" "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024"; do
    # shellcheck disable=SC2046,SC2086
    ! try podman $(in_crun_mount) $podman run --rm $podman_limits bench/busybox true || return 0
  done
}

start_docker() {
  command -v dockerd >/dev/null || return 0
  docker=docker
  [ ! -x /usr/bin/docker ] || docker=/usr/bin/docker
  mkdir -p "$work/docker"
  echo '{}' >"$work/docker/daemon.json"  # not this machine's
  for driver in overlay2 vfs; do
    dockerd --data-root "$work/docker/data" --exec-root "$work/docker/exec" \
      --host "unix://$work/docker/socket" --pidfile "$work/docker/pid" --config-file "$work/docker/daemon.json" \
      --storage-driver "$driver" --bip 10.98.0.1/16 >"$work/docker/log" 2>&1 &
    docker_pid=$!
    docker="$docker --config $work/docker/config --host unix://$work/docker/socket"
    tries=0
    # shellcheck disable=SC2086
    until $docker version >/dev/null 2>&1; do
      tries=$((tries + 1))
      if [ $tries -gt 100 ] || ! kill -0 "$docker_pid" 2>/dev/null; then break; fi
      sleep 0.2
    done
    # shellcheck disable=SC2086
    if $docker import "$work/busybox.tar" bench/busybox >/dev/null 2>"$work/try" &&
      try "docker" $docker run --rm bench/busybox true; then
      return
    fi
    say "docker: $(tail -n 1 "$work/docker/log" | cut -c 1-200)"
    stop_docker
    docker=${docker%% *}
  done
}

stop_docker() {
  [ -n "$docker_pid" ] || return 0
  kill "$docker_pid" 2>/dev/null || true
  wait "$docker_pid" 2>/dev/null || true
  docker_pid=
}

start_peers() {
  start_runtimes
  if [ "$engines" = yes ]; then
    start_podman
    start_docker
  fi
  say "peers:${available:- none}"
}

stop_peers() {
  stop_docker
  [ -z "$podman_lock" ] || rm -f "$podman_lock"
  [ -z "$crun_mount_pid" ] || kill "$crun_mount_pid" 2>/dev/null || true
}

add_peers() {
  mount=@mount=/proc/${crun_mount_pid:-self}/ns/mnt
  ! has crun || add @label=crun-bare "$mount" \
    crun --root "$work/crun.state" run --bundle "$work/crun" "bench{}"
  ! has runc ||
    add @label=runc-bare runc --root "$work/runc.state" run --bundle "$work/runc" "bench{}"
  # shellcheck disable=SC2086
  ! has podman || add @label=podman "@every=$(((rounds + 9) / 10))" "$mount" $podman run --rm $podman_limits bench/busybox true
  # shellcheck disable=SC2086
  ! has docker || add @label=docker "@every=$(((rounds + 9) / 10))" $docker run --rm bench/busybox true
}
