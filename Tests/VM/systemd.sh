# The systemd driver of minidock oci, and criu, on a machine whose first process is systemd: started
# by checks.service.
. /checks/tap.sh
. /checks/oci.sh

soci() { oci --systemd-cgroup "$@"; }
property() { systemctl show -p "$2" --value "$1"; }
has_property() { equal "$3" property "$1" "$2"; }
in_group() { grep -qx "$(cat "$1")" "$2/cgroup.procs"; }
slice=/sys/fs/cgroup/vmtest.slice/vmtest-sub.slice

# make_scope_bundle CGROUPSPATH RESOURCES [ANNOTATIONS]
make_scope_bundle() {
  make_bundle "$2"
  rm -f /tmp/bundle/out/*
  sed -i -e "s|\"cgroupsPath\": \"[^\"]*\"|\"cgroupsPath\": \"$1\"|" \
    -e "s|\"ociVersion\"|\"annotations\": { ${3:-} }, \"ociVersion\"|" /tmp/bundle/config.json
}

scope_lifecycle() {
  make_scope_bundle vmtest-sub.slice:box:one '"devices": [
      { "allow": false, "access": "rwm" },
      { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw" },
      { "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" },
      { "allow": true, "type": "c", "access": "m" } ],
    "memory": { "limit": 67108864, "reservation": 33554432, "swap": 100663296 },
    "cpu": { "quota": 50000, "period": 100000, "shares": 512, "cpus": "0" }, "pids": { "limit": 20 },
    "unified": { "memory.high": "50331648" }' \
    '"org.systemd.property.TimeoutStopUSec": "uint64 7000000", "org.systemd.property.CollectMode": "'"'inactive-or-failed'"'"'
  check "systemd: create" soci create --bundle /tmp/bundle --pid-file /tmp/bundle/pid one
  check "systemd: the scope is active" equal active systemctl is-active box-one.scope
  check "systemd: its process is in the scope" in_group /tmp/bundle/pid $slice/box-one.scope
  check "systemd: its slice" has_property box-one.scope Slice vmtest-sub.slice
  check "systemd: the group is delegated" has_property box-one.scope Delegate yes
  check "systemd: MemoryMax" has_property box-one.scope MemoryMax 67108864
  check "systemd: MemoryLow" has_property box-one.scope MemoryLow 33554432
  check "systemd: MemoryHigh of unified" has_property box-one.scope MemoryHigh 50331648
  check "systemd: MemorySwapMax" has_property box-one.scope MemorySwapMax 33554432
  check "systemd: CPUQuotaPerSecUSec" has_property box-one.scope CPUQuotaPerSecUSec 500ms
  check "systemd: CPUQuotaPeriodUSec" has_property box-one.scope CPUQuotaPeriodUSec 100ms
  check "systemd: AllowedCPUs" has_property box-one.scope AllowedCPUs 0
  check "systemd: TasksMax" has_property box-one.scope TasksMax 20
  check "systemd: a property of an annotation" has_property box-one.scope TimeoutStopUSec 7s
  check "systemd: another one" has_property box-one.scope CollectMode inactive-or-failed
  check "systemd: memory.max" holds $slice/box-one.scope/memory.max 67108864
  check "systemd: cpu.max" holds $slice/box-one.scope/cpu.max "50000 100000"
  check "systemd: cpu.weight is the property" \
    equal "$(property box-one.scope CPUWeight)" cat $slice/box-one.scope/cpu.weight
  check "systemd: start" soci start one
  check "systemd: the command runs" until_true test -e /tmp/bundle/out/done
  check "systemd: state" is_status one running
  check "systemd: the process sees the scope as its root" holds /tmp/bundle/out/cgroup 0::/
  check "systemd: the device program refuses what no rule allows" holds /tmp/bundle/out/serial refused
  check "systemd: and allows what one allows" holds /tmp/bundle/out/zero opened
}

scope_changes() {
  check "systemd: daemon-reload" systemctl daemon-reload
  check "systemd: memory.max is the same after it" holds $slice/box-one.scope/memory.max 67108864
  check "systemd: cpu.max too" holds $slice/box-one.scope/cpu.max "50000 100000"
  check "systemd: the device program too" fails oci exec one sh -c ': 3<>/dev/nodes/tun'
  check "systemd: exec is in the scope" equal 0::/ oci exec one cat /proc/self/cgroup
  check "systemd: a scope of that name is refused" refused 'already' soci create --bundle /tmp/bundle two
  check "systemd: which leaves the first one alone" equal active systemctl is-active box-one.scope
  check "systemd: and its process" is_status one running
  # An engine says --systemd-cgroup at create; what comes later knows by the record.
  check "systemd: update" oci update --memory 83886080 --memory-swap 100663296 --pids-limit 30 \
    --cpu-quota 20000 one
  check "systemd: update: MemoryMax" has_property box-one.scope MemoryMax 83886080
  check "systemd: update: TasksMax" has_property box-one.scope TasksMax 30
  check "systemd: update: CPUQuotaPerSecUSec" has_property box-one.scope CPUQuotaPerSecUSec 200ms
  check "systemd: update: memory.max" holds $slice/box-one.scope/memory.max 83886080
  check "systemd: update: cpu.max" holds $slice/box-one.scope/cpu.max "20000 100000"
  check "systemd: pause" oci pause one
  check "systemd: state: paused" is_status one paused
  check "systemd: resume" oci resume one
  check "systemd: ps" sh -c 'minidock oci --root /run/oci ps --format json one | grep -q "[0-9]"'
  check "systemd: kill" oci kill one KILL
  check "systemd: state: stopped" until_true is_status one stopped
  check "systemd: delete" oci delete one
  check "systemd: the group is gone" fails test -e $slice/box-one.scope
  check "systemd: the unit is forgotten" has_property box-one.scope LoadState not-found
  check "systemd: no unit has failed" equal "" systemctl list-units --failed --plain --no-legend
}

scope_others() {
  make_scope_bundle "" '"pids": { "limit": 30 }'
  check "systemd: create without cgroupsPath" soci create --bundle /tmp/bundle plain
  check "systemd: it is in system.slice" test -e /sys/fs/cgroup/system.slice/minidock-plain.scope
  check "systemd: start it" soci start plain
  check "systemd: delete --force" soci delete --force plain
  check "systemd: its group is gone" fails test -e /sys/fs/cgroup/system.slice/minidock-plain.scope
  check "systemd: its unit is forgotten" has_property minidock-plain.scope LoadState not-found
  sed -i 's|"args": \[[^]]*\]|"args": ["true"]|' /tmp/bundle/config.json
  check "systemd: run to its end" soci run --bundle /tmp/bundle short
  check "systemd: nothing of it is left" has_property minidock-short.scope LoadState not-found
  make_scope_bundle /some/group '"pids": { "limit": 30 }'
  check "systemd: a path of the other form is refused" refused 'slice:prefix:name' \
    soci create --bundle /tmp/bundle other
  make_scope_bundle -- '"pids": { "limit": 30 }' '"org.systemd.property.Nonsense": "5"'
  sed -i 's|"cgroupsPath": "--"|"cgroupsPath": "system.slice:box:bad"|' /tmp/bundle/config.json
  check "systemd: a property that it does not know is refused" refused 'Nonsense' \
    soci create --bundle /tmp/bundle bad
  check "systemd: nothing is left of what was refused" fails test -e /run/oci/bad -o \
    -e /sys/fs/cgroup/system.slice/box-bad.scope
  make_scope_bundle system.slice:box:lost '"pids": { "limit": 30 }'
  check "systemd: no bus where the environment says: refused" refused 'systemd-cgroup.*nowhere' \
    env DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere \
    minidock oci --root /run/oci --systemd-cgroup create --bundle /tmp/bundle lost
}

without_bus() {
  make_scope_bundle system.slice:box:two '"memory": { "limit": 67108864 }'
  systemctl stop dbus.socket dbus.service
  check "systemd without a bus: create" soci create --bundle /tmp/bundle two
  check "systemd without a bus: MemoryMax" has_property box-two.scope MemoryMax 67108864
  check "systemd without a bus: start" soci start two
  check "systemd without a bus: delete --force" soci delete --force two
  check "systemd without a bus: the unit is forgotten" has_property box-two.scope LoadState not-found
  systemctl start dbus.socket
}

# A user's own systemd and containers without root.
uoci() {
  su ann -c "XDG_RUNTIME_DIR=/run/user/1000 minidock oci --root /run/user/1000/oci $*" </dev/null
}
user_scope() {
  echo 'ann:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
  echo 'ann:x:1000:' >>/etc/group
  mkdir -p /run/user/1000
  chown 1000:1000 /run/user/1000
  systemctl start user@1000.service
  check "systemd of a user: is up" until_true test -S /run/user/1000/systemd/private
  rm -rf /tmp/user
  mkdir /tmp/user
  chown 1000:1000 /tmp/user
  check "systemd of a user: spec" uoci spec --rootless --bundle /tmp/user
  sed -i -e 's|"sh"|"sleep", "1000"|' -e 's|"terminal": true|"terminal": false|' \
    -e 's|"path": "rootfs"|"path": "/tmp/bundle/rootfs"|' \
    -e 's|"linux": {|"linux": { "resources": { "memory": { "limit": 67108864 }, "pids": { "limit": 20 } },|' \
    /tmp/user/config.json
  check "systemd of a user: create" uoci --systemd-cgroup create --bundle /tmp/user mine
  user_group=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/user.slice/minidock-mine.scope
  check "systemd of a user: the scope is below the user's service" test -d $user_group
  check "systemd of a user: memory.max" holds $user_group/memory.max 67108864
  check "systemd of a user: start" uoci start mine
  check "systemd of a user: exec" equal 0 uoci exec mine id -u
  check "systemd of a user: update" uoci update --pids-limit 30 mine
  check "systemd of a user: pids.max" holds $user_group/pids.max 30
  check "systemd of a user: delete --force" uoci delete --force mine
  check "systemd of a user: the group is gone" fails test -e $user_group
}

# criu, with the cgroupfs driver. The count goes on where it was.
counts_on() { [ "$(cat /tmp/bundle/out/count)" -gt "$1" ]; }
checkpoint() {
  if ! command -v criu >/dev/null; then
    skip "checkpoint" "criu is not installed"
    return
  fi
  make_bundle '"pids": { "limit": 40 }'
  rm -f /tmp/bundle/out/*
  cat >/tmp/bundle/rootfs/count <<'COUNT'
i=0
echo content >/tmp/file
while :; do i=$((i + 1)); echo $i >/out/part; mv /out/part /out/count; sleep 1; done
COUNT
  sed -i -e 's|"/try"|"/count"|' -e 's|"cgroupsPath": "[^"]*"|"cgroupsPath": "/criu/one"|' \
    -e 's|"linux": {|"linux": { "maskedPaths": ["/proc/timer_list", "/proc/keys", "/proc/acpi"], "readonlyPaths": ["/proc/sys"],|' \
    /tmp/bundle/config.json
  check "checkpoint: a container" sh -c \
    'minidock oci --root /run/oci run --detach --bundle /tmp/bundle one </dev/null >/dev/null 2>&1'
  check "checkpoint: it counts" until_true test -s /tmp/bundle/out/count
  check "checkpoint --leave-running" oci checkpoint --leave-running --empty-ns network \
    --image-path /tmp/image0 one
  check "checkpoint --leave-running: it runs on" is_status one running
  check "checkpoint" oci checkpoint --empty-ns network --image-path /tmp/image one
  check "checkpoint: there is no container any more" refused 'does not exist' oci state one
  sed -n '/Error (/p' /tmp/image/dump.log 2>/dev/null | sed 's/^/# /'
  count=$(cat /tmp/bundle/out/count)
  check "restore: under its id" oci restore --detach --bundle /tmp/bundle --empty-ns network \
    --image-path /tmp/image --pid-file /tmp/bundle/pid one
  sed -n '/Error (/p' /tmp/image/restore.log 2>/dev/null | sed 's/^/# /'
  check "restore: it runs" is_status one running
  check "restore: the count goes on" until_true counts_on "$count"
  check "restore: its process is in the group" in_group /tmp/bundle/pid /sys/fs/cgroup/criu/one
  check "restore: the group has its limit" holds /sys/fs/cgroup/criu/one/pids.max 40
  check "restore: the content of a tmpfs" equal content oci exec one cat /tmp/file
  check "restore: masked files are" oci exec one sh -c '[ ! -s /proc/timer_list ]'
  check "restore: nothing is mounted for it any more" fails grep -q /run/oci /proc/mounts
  check "restore: delete --force" oci delete --force one
  check "restore: its group is gone" fails test -e /sys/fs/cgroup/criu/one
  sed -i 's|"cgroupsPath": "[^"]*"|"cgroupsPath": "/criu/two"|' /tmp/bundle/config.json
  check "restore: as another container" oci restore --detach --bundle /tmp/bundle --empty-ns network \
    --image-path /tmp/image --pid-file /tmp/bundle/pid two
  check "restore: in its own group" in_group /tmp/bundle/pid /sys/fs/cgroup/criu/two
  check "restore: which is all" fails test -e /sys/fs/cgroup/criu/one
  check "restore: an id that is taken is refused" refused 'already exists' oci restore --detach \
    --bundle /tmp/bundle --image-path /tmp/image two
  check "restore: delete it" oci delete --force two
  sed -i 's|"cgroupsPath": "[^"]*"|"cgroupsPath": "vmtest.slice:criu:three"|' /tmp/bundle/config.json
  check "restore: into a scope" soci restore --detach --bundle /tmp/bundle --empty-ns network \
    --image-path /tmp/image --pid-file /tmp/bundle/pid three
  sed -n '/Error (/p' /tmp/image/restore.log 2>/dev/null | sed 's/^/# /'
  check "restore: the scope is active" equal active systemctl is-active criu-three.scope
  check "restore: its process is in the scope" in_group /tmp/bundle/pid \
    /sys/fs/cgroup/vmtest.slice/criu-three.scope
  check "restore: without criu" fails sh -c \
    'for i in $(cat /sys/fs/cgroup/vmtest.slice/criu-three.scope/cgroup.procs); do cat /proc/$i/comm; done | grep criu'
  check "restore: the scope has the limit" has_property criu-three.scope TasksMax 40
  check "restore: a scope that is there is refused" refused 'exists|already' soci restore --detach \
    --bundle /tmp/bundle --empty-ns network --image-path /tmp/image four
  check "restore: which leaves the first one alone" is_status three running
  check "restore: delete its scope" oci delete --force three
  check "restore: the unit is forgotten" has_property criu-three.scope LoadState not-found
  check "restore: no images for a scope" refused 'restore.log|criu' soci restore --detach \
    --bundle /tmp/bundle --image-path /tmp/none three
  check "restore: no unit is left of that" has_property criu-three.scope LoadState not-found
  sed -i 's|"cgroupsPath": "[^"]*"|"cgroupsPath": "/criu/two"|' /tmp/bundle/config.json
  check "restore: no images" refused 'restore.log|criu' oci restore --detach --bundle /tmp/bundle \
    --image-path /tmp/none three
  check "restore: nothing is left of that" fails test -e /run/oci/three -o -e /sys/fs/cgroup/criu/two
}

# With systemd.unified_cgroup_hierarchy=0: v1 trees beside a v2 one.
v1_group() { echo "/sys/fs/cgroup/$1/vmtest.slice/box-old.scope"; }
scope_v1() {
  make_scope_bundle vmtest.slice:box:old '"devices": [
      { "allow": false, "access": "rwm" },
      { "allow": true, "type": "c", "major": 1, "minor": 5, "access": "rw" },
      { "allow": true, "type": "c", "major": 10, "minor": 200, "access": "r" },
      { "allow": true, "type": "c", "access": "m" } ],
    "memory": { "limit": 67108864 }, "pids": { "limit": 20 },
    "cpu": { "quota": 50000, "period": 100000, "shares": 512, "cpus": "0", "mems": "0" }'
  check "systemd v1: create" soci create --bundle /tmp/bundle --pid-file /tmp/bundle/pid one
  check "systemd v1: the scope is active" equal active systemctl is-active box-old.scope
  for tree in memory cpu pids devices cpuset freezer systemd unified; do
    check "systemd v1: its process is in the scope of $tree" in_group /tmp/bundle/pid "$(v1_group $tree)"
  done
  check "systemd v1: MemoryLimit" has_property box-old.scope MemoryLimit 67108864
  check "systemd v1: CPUShares" has_property box-old.scope CPUShares 512
  check "systemd v1: DevicePolicy" has_property box-old.scope DevicePolicy strict
  check "systemd v1: memory.limit_in_bytes" holds "$(v1_group memory)/memory.limit_in_bytes" 67108864
  check "systemd v1: cpuset.cpus" holds "$(v1_group cpuset)/cpuset.cpus" 0
  check "systemd v1: start" soci start one
  check "systemd v1: the command runs" until_true test -e /tmp/bundle/out/done
  check "systemd v1: what a device rule allows" holds /tmp/bundle/out/zero opened
  check "systemd v1: what none allows" holds /tmp/bundle/out/serial refused
  check "systemd v1: reading by a rule of r" holds /tmp/bundle/out/tun-read opened
  check "systemd v1: writing by a rule of r" holds /tmp/bundle/out/tun-write refused
  check "systemd v1: daemon-reload" systemctl daemon-reload
  check "systemd v1: the device rules hold after it" fails oci exec one sh -c ': 3<>/dev/nodes/tun'
  oci exec one sleep 1000 &
  check "systemd v1: exec is in systemd's tree" \
    until_true sh -c "[ \$(wc -l <'$(v1_group systemd)/cgroup.procs') = 2 ]"
  check "systemd v1: update" oci update --memory 83886080 --pids-limit 30 one
  check "systemd v1: update: MemoryLimit" has_property box-old.scope MemoryLimit 83886080
  check "systemd v1: update: memory.limit_in_bytes" \
    holds "$(v1_group memory)/memory.limit_in_bytes" 83886080
  check "systemd v1: pause" oci pause one
  check "systemd v1: state: paused" is_status one paused
  check "systemd v1: resume" oci resume one
  check "systemd v1: delete --force" oci delete --force one
  for tree in memory cpu pids devices cpuset freezer systemd unified; do
    check "systemd v1: the group of $tree is gone" until_true fails test -e "$(v1_group $tree)"
  done
  check "systemd v1: the unit is forgotten" has_property box-old.scope LoadState not-found
}

check "machine: the first process is systemd" equal systemd cat /proc/1/comm
check "machine: systemd is up" until_true test -S /run/dbus/system_bus_socket
mkdir -p /run/oci
if [ -d /sys/fs/cgroup/memory ]; then
  scope_v1
else
  scope_lifecycle
  scope_changes
  scope_others
  user_scope
  checkpoint
  without_bus
fi
