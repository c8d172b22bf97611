# The product's checks on a cgroup-v2 machine. Runs inside, as root, once, on a fresh system.
. /checks/tap.sh
. /checks/oci.sh

# run ARGUMENTS...: of a container that goes away.
run() { minidock run --rm "$@" </dev/null; }
inspect() { minidock inspect --format "$2" "$1"; }

# start NAME ARGUMENTS... : a container in the background that says "ready" and stays.
start() {
  container=$1
  shift
  rm -f "/tmp/$container.cid"
  minidock run --name "$container" --cidfile "/tmp/$container.cid" "$@" </dev/null \
    >"/tmp/$container.out" 2>&1 &
  background=$!
  until_true ready_or_dead
  grep -q ready "/tmp/$container.out" || { cat "/tmp/$container.out"; return 1; }
}
ready_or_dead() { grep -q ready "/tmp/$container.out" || ! kill -0 "$background" 2>/dev/null; }
stay="echo ready; exec sleep 1000"
stop() { minidock rm -f "$1" >/dev/null; }

# group_of NAME: the directory of its cgroup, wherever the engine put it.
group_of() {
  [ -s "/tmp/$1.cid" ] || { echo /no-such-group; return; }
  find /sys/fs/cgroup -type d -name "*$(cat "/tmp/$1.cid")*" | head -n 1
}
limit_of() { cat "$(group_of "$1")/$2"; }

# What a container may leave behind: groups, mounts, links, leases' interfaces.
host_state() {
  (
    find /sys/fs/cgroup -type d | grep -v '^/sys/fs/cgroup/parent' | sort
    awk '{ print $2 }' /proc/mounts | sort
    ls /sys/class/net
    find /run/minidock /var/lib/minidock/containers -mindepth 2 2>/dev/null | grep -v -e /cache/ | sort
  ) >"$1"
}

import_and_first_run() {
  check "import the busybox tar" minidock import /images/busybox.rootfs.tar busybox
  check "images lists it" sh -c "minidock images --format '{{.Repository}}:{{.Tag}}' | grep -x busybox:latest"
  check "a container runs" equal hello run busybox echo hello
  check "exit code of the command" code 7 run busybox sh -c 'exit 7'
  check "info says cgroup version 2" \
    sh -c "minidock info --format '{{.CgroupVersion}}' | grep -qxE 'v?2'"
}

memory() {
  check "--memory 64m: memory.max seen from inside" \
    equal 67108864 run --memory 64m busybox cat /sys/fs/cgroup/memory.max
  check "--memory with --memory-swap and --memory-reservation starts" start memory --memory 64m \
    --memory-swap 96m --memory-reservation 32m busybox sh -c "$stay"
  check "--memory 64m: memory.max seen from outside" equal 67108864 limit_of memory memory.max
  check "--memory-swap 96m: memory.swap.max is the difference" \
    equal 33554432 limit_of memory memory.swap.max
  check "--memory-reservation 32m: memory.low" equal 33554432 limit_of memory memory.low
  check "its process is counted in the group" \
    sh -c "[ \"\$(cat '$(group_of memory)'/cgroup.procs '$(group_of memory)'/*/cgroup.procs 2>/dev/null | wc -l)\" -ge 1 ]"
  stop memory
  check "without --memory there is no limit (control)" \
    equal max run busybox cat /sys/fs/cgroup/memory.max
  check "out of memory: exit code 137" \
    code 137 minidock run --name oom --memory 16m --memory-swap 16m busybox tail /dev/zero
  check "out of memory: inspect says OOMKilled" equal true inspect oom '{{.State.OOMKilled}}'
  check "out of memory: inspect says 137" equal 137 inspect oom '{{.State.ExitCode}}'
  stop oom
  minidock run --name killed busybox sh -c 'kill -9 $$' </dev/null 2>/dev/null
  check "killed, but not by memory (control): OOMKilled is false" \
    equal false inspect killed '{{.State.OOMKilled}}'
  stop killed
}

processor() {
  check "--cpus 0.5: cpu.max" equal "50000 100000" run --cpus 0.5 busybox cat /sys/fs/cgroup/cpu.max
  check "--cpus 0.2 really throttles" run --cpus 0.2 busybox sh -c \
    'i=0; while [ $i -lt 40000 ]; do i=$((i + 1)); done
     awk "\$1 == \"nr_throttled\" && \$2 > 0 { found = 1 } END { exit !found }" /sys/fs/cgroup/cpu.stat'
  check "--cpu-shares 512: a smaller cpu.weight" run --cpu-shares 512 busybox sh -c \
    '[ "$(cat /sys/fs/cgroup/cpu.weight)" -gt 1 ] && [ "$(cat /sys/fs/cgroup/cpu.weight)" -lt 100 ]'
  check "--cpuset-cpus 1: cpuset.cpus" \
    equal 1 run --cpuset-cpus 1 busybox cat /sys/fs/cgroup/cpuset.cpus
  check "--cpuset-cpus 1: one processor inside" equal 1 run --cpuset-cpus 1 busybox nproc
  check "--cpuset-cpus 7: refused, there is none" refused 'cpu' run --cpuset-cpus 7 busybox true
}

processes() {
  check "--pids-limit 20: pids.max" equal 20 run --pids-limit 20 busybox cat /sys/fs/cgroup/pids.max
  check "fork bomb starts" start bomb --pids-limit 20 busybox sh -c \
    'echo ready; bomb() { bomb | bomb & }; bomb; while :; do sleep 1; done'
  bomb_group=$(group_of bomb)
  check "fork bomb meets the limit" until_true sh -c \
    "[ \"\$(awk '\$1 == \"max\" { print \$2 }' '$bomb_group/pids.events')\" -gt 0 ]"
  check "fork bomb stays within it" sh -c "[ \"\$(cat '$bomb_group/pids.current')\" -le 20 ]"
  check "rm -f ends all of it" stop bomb
  check "its group is gone" until_true fails test -e "$bomb_group"
}

weight() {
  if run --blkio-weight 300 busybox cat /sys/fs/cgroup/io.weight >/tmp/weight 2>&1; then
    check "--blkio-weight 300 is applied" grep -qE '^default (2930|2939|300)$' /tmp/weight
  else
    check "--blkio-weight 300: the error names the controller" grep -qE '(io|blkio)' /tmp/weight
    check "--blkio-weight 300: an error, exit 125" code 125 run --blkio-weight 300 busybox true
  fi
}

# /dev/net/tun (10:200) needs no capability to be opened: what refuses it is the device rule.
devices() {
  open_tun='mknod /tmp/tun c 10 200 && : 3<>/tmp/tun'
  check "a node of a device that is not allowed cannot be opened" \
    refused 'not permitted' run busybox sh -c "$open_tun"
  check "mknod itself is allowed" run busybox mknod /tmp/tun c 10 200
  check "an allowed device opens by any node" \
    run busybox sh -c 'mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero >/dev/null'
  check "--device allows it" run --device /dev/net/tun busybox sh -c ': 3<>/dev/net/tun'
  check "--device also by another node (control)" \
    run --device /dev/net/tun busybox sh -c "$open_tun"
  check "--device :r does not allow writing" refused 'not permitted' \
    run --device /dev/net/tun:/dev/net/tun:r busybox sh -c ': 3<>/dev/net/tun'
  check "--device :r allows reading" \
    run --device /dev/net/tun:/dev/net/tun:r busybox sh -c ': 3</dev/net/tun'
  check "--privileged allows it" run --privileged busybox sh -c "$open_tun"
}

namespace() {
  check "cgroup namespace: the container is at its root" \
    equal 0::/ run busybox cat /proc/self/cgroup
  check "sec10_CVE_2022_0492 a cgroup file system cannot be mounted" refused 'denied|not permitted' \
    run busybox sh -c 'mkdir /tmp/c && mount -t cgroup2 none /tmp/c'
  check "sec10_CVE_2022_0492 nor in a user namespace of its own" refused 'not permitted' \
    run busybox unshare -U -r -m true
  check "sec10_CVE_2022_0492 a filter is on" equal 2 \
    run busybox awk '$1 == "Seccomp:" { print $2 }' /proc/self/status
  check "sec10_CVE_2022_0492 without the filter unshare works (control)" \
    run --privileged busybox unshare -m true
  check "sec11_CVE_2023_25809 cgroup.procs is read-only" refused 'Read-only' \
    run busybox sh -c 'echo 0 > /sys/fs/cgroup/cgroup.procs'
  check "sec11_CVE_2023_25809 no group can be made" refused 'Read-only' \
    run busybox mkdir /sys/fs/cgroup/x
  check "sec11_CVE_2023_25809 no limit can be raised" refused 'Read-only' \
    run --memory 64m busybox sh -c 'echo max > /sys/fs/cgroup/memory.max'
  check "sec11_CVE_2023_25809 outside, the same write works (control)" sh -c \
    'mkdir /sys/fs/cgroup/control && echo $$ > /sys/fs/cgroup/control/cgroup.procs &&
     echo $$ > /sys/fs/cgroup/cgroup.procs && rmdir /sys/fs/cgroup/control'
}

# "No internal processes": a minidock that is itself in a group with processes must still get limits.
nested() {
  mkdir /sys/fs/cgroup/parent
  check "runs with limits from a group that has processes" equal 67108864 sh -c \
    'echo $$ > /sys/fs/cgroup/parent/cgroup.procs
     minidock run --rm --memory 64m busybox cat /sys/fs/cgroup/memory.max </dev/null'
  rmdir /sys/fs/cgroup/parent
  check "--cgroup-parent starts" \
    start child --cgroup-parent /parents --memory 64m busybox sh -c "$stay"
  check "--cgroup-parent: the group is below it" sh -c \
    "case '$(group_of child)' in /sys/fs/cgroup/parents/*) ;; *) echo '$(group_of child)'; exit 1 ;; esac"
  check "--cgroup-parent: with its limit" equal 67108864 limit_of child memory.max
  stop child
  check "sec34 --cgroup-parent ../.. is refused" refused 'cgroup' \
    run --cgroup-parent ../.. busybox true
  rmdir /sys/fs/cgroup/parents 2>/dev/null
}

users() {
  check "-u nobody" equal 65534 run -u nobody busybox id -u
  check "-u 1000:100" equal "1000 100" run -u 1000:100 busybox sh -c 'echo $(id -u) $(id -g)'
  check "-u mail has mail's group" equal 8 run -u mail busybox id -g
  check "-u nosuch is refused" refused 'nosuch' run -u nosuch busybox true
}

other_network() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; }
network() {
  check "the gateway answers" run busybox sh -c \
    'ping -c 1 -W 20 "$(ip route | awk "\$1 == \"default\" { print \$3 }")"'
  check "--network none has no way out" refused 'unreachable' \
    run --network none busybox ping -c 1 -W 1 10.88.0.1
  # A network beyond this machine, which knows no way back to a container: only NAT gets an answer.
  unshare -n sleep 1000 &
  outside=$!
  until_true other_network "$outside"
  ip link add out0 type veth  # this ip names the peer veth0, whatever one asks for
  ip link set veth0 netns "$outside"
  ip addr add 192.0.2.1/24 dev out0
  ip link set out0 up
  nsenter -t "$outside" -n sh -c 'ip link set lo up; ip addr add 192.0.2.2/24 dev veth0; ip link set veth0 up'
  check "outside answers this machine (control)" ping -c 1 -W 20 192.0.2.2
  check "outside answers a container: its address is translated" \
    run busybox ping -c 1 -W 20 192.0.2.2
  kill "$outside"
  ip link del out0 2>/dev/null
}

import_and_first_run
host_state /tmp/before
memory
processor
processes
weight
devices
namespace
nested
users
network
oci_lifecycle
oci_changes
oci_others
sleep 1
host_state /tmp/after
check "nothing is left: groups, mounts, links, records" diff /tmp/before /tmp/after
check "ps -a is empty" equal '' minidock ps -aq
