# minidock as an OCI runtime on a cgroup-v2 machine: sourced by checks.sh.

oci() { minidock-oci --root /run/oci "$@" </dev/null; }
oci_status() { oci state "$1" | awk -F '"' '$2 == "status" { print $4 }'; }
is_status() { [ "$(oci_status "$1")" = "$2" ]; }
oci_group=/sys/fs/cgroup/oci-vm/one

# make_bundle RESOURCES: in /tmp/bundle, of a process that opens devices and says how that went.
make_bundle() {
  mkdir -p /tmp/bundle/rootfs /tmp/bundle/out
  [ -e /tmp/bundle/rootfs/bin ] || tar xf /images/busybox.rootfs.tar -C /tmp/bundle/rootfs
  cat >/tmp/bundle/rootfs/try <<'TRY'
cat /proc/self/cgroup >/out/cgroup
mknod /tmp/zero c 1 5 && head -c 1 /tmp/zero >/dev/null && echo opened >/out/zero
mknod /tmp/serial c 4 64
if (: 3<>/tmp/serial) 2>/dev/null; then echo opened; else echo refused; fi >/out/serial
if (: 3</dev/nodes/tun) 2>/dev/null; then echo opened; else echo refused; fi >/out/tun-read
if (: 3<>/dev/nodes/tun) 2>/dev/null; then echo opened; else echo refused; fi >/out/tun-write
echo done >/out/done
exec sleep 1000
TRY
  cat >/tmp/bundle/config.json <<CONFIG
{
  "ociVersion": "1.2.0",
  "process": {
    "user": { "uid": 0, "gid": 0 }, "args": ["sh", "/try"], "cwd": "/",
    "env": ["PATH=/bin:/sbin:/usr/bin:/usr/sbin"], "noNewPrivileges": true,
    "capabilities": { "bounding": ["CAP_MKNOD"], "effective": ["CAP_MKNOD"], "permitted": ["CAP_MKNOD"] }
  },
  "root": { "path": "rootfs" },
  "mounts": [
    { "destination": "/proc", "type": "proc", "source": "proc" },
    { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"] },
    { "destination": "/tmp", "type": "tmpfs", "source": "tmpfs" },
    { "destination": "/out", "type": "bind", "source": "/tmp/bundle/out", "options": ["bind"] }
  ],
  "linux": {
    "cgroupsPath": "/oci-vm/one",
    "namespaces": [
      { "type": "pid" }, { "type": "mount" }, { "type": "ipc" }, { "type": "uts" },
      { "type": "network" }, { "type": "cgroup" }
    ],
    "devices": [ { "path": "/dev/nodes/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 438 } ],
    "resources": { $1 }
  }
}
CONFIG
}

oci_lifecycle() {
  make_bundle '"devices": [
      { "allow": false, "access": "rwm" },
      { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw" },
      { "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" },
      { "allow": true, "type": "c", "access": "m" } ],
    "memory": { "reservation": 16777216 },
    "unified": { "memory.max": "33554432", "memory.high": "25165824", "pids.max": "20", "cpu.weight": "50" }'
  check "oci create" oci create --bundle /tmp/bundle --pid-file /tmp/bundle/pid one
  check "oci state: created" is_status one created
  check "oci create has run nothing yet" fails test -e /tmp/bundle/out/done
  check "oci: its process is in the group" sh -c "grep -qx \$(cat /tmp/bundle/pid) $oci_group/cgroup.procs"
  check "oci: unified memory.max" holds $oci_group/memory.max 33554432
  check "oci: unified memory.high" holds $oci_group/memory.high 25165824
  check "oci: unified pids.max" holds $oci_group/pids.max 20
  check "oci: unified cpu.weight" holds $oci_group/cpu.weight 50
  check "oci: memory.reservation beside it" holds $oci_group/memory.low 16777216
  check "oci start" oci start one
  check "oci state: running" is_status one running
  check "oci: the command runs" until_true test -e /tmp/bundle/out/done
  check "oci: the process sees the group as its root" holds /tmp/bundle/out/cgroup 0::/
  check "oci: the device program allows what a rule allows" holds /tmp/bundle/out/zero opened
  check "oci: the device program refuses the rest" holds /tmp/bundle/out/serial refused
  check "oci: the device program allows reading by a rule of r" holds /tmp/bundle/out/tun-read opened
  check "oci: the device program refuses writing by a rule of r" holds /tmp/bundle/out/tun-write refused
}

oci_changes() {
  check "oci pause" oci pause one
  check "oci pause: the group is frozen" grep -qx 'frozen 1' $oci_group/cgroup.events
  check "oci state: paused" is_status one paused
  check "oci resume" oci resume one
  check "oci state: running again" is_status one running
  check "oci update --memory" oci update --memory 67108864 one
  check "oci update: memory.max" holds $oci_group/memory.max 67108864
  check "oci update: the device program stays" fails oci exec one sh -c ': 3<>/dev/nodes/tun'
  check "oci exec is in the group" equal 0::/ oci exec one cat /proc/self/cgroup
  check "oci delete is refused while it runs" refused 'not stopped' oci delete one
  check "oci kill" oci kill one KILL
  check "oci state: stopped" until_true is_status one stopped
  check "oci delete" oci delete one
  check "oci delete: the group is gone" fails test -e $oci_group
  check "oci delete: the state is gone" refused 'does not exist' oci state one
}

oci_others() {
  rm -f /tmp/bundle/out/*
  make_bundle '"pids": { "limit": 30 }'
  check "oci create without device rules" oci create --bundle /tmp/bundle one
  check "oci start without device rules" oci start one
  until_true test -e /tmp/bundle/out/done
  check "oci: without device rules the serial node opens (control)" holds /tmp/bundle/out/serial opened
  check "oci: nor is writing refused (control)" holds /tmp/bundle/out/tun-write opened
  check "oci: pids.limit" holds $oci_group/pids.max 30
  check "oci kill --all" oci kill --all one KILL
  check "oci delete --force" oci delete --force one
  check "oci delete --force: the group is gone" fails test -e $oci_group
  make_bundle '"unified": { "nosuch.max": "1" }'
  check "oci: a unified file of no controller is refused by name" \
    refused 'nosuch' oci create --bundle /tmp/bundle one
  make_bundle '"unified": { "memory.max": "much" }'
  check "oci: a value that the kernel refuses is an error" \
    refused 'memory.max' oci create --bundle /tmp/bundle one
  make_bundle '"unified": { "../../memory.max": "1" }'
  check "sec34 oci: a unified file beyond the group is refused" \
    refused 'unified' oci create --bundle /tmp/bundle one
  check "oci: nothing is left of what was refused" fails test -e $oci_group -o -e /run/oci/one
  rmdir /sys/fs/cgroup/oci-vm 2>/dev/null
}
