# Checks that the machine itself is what the product's checks take for granted.
. /checks/tap.sh

has_controller() { grep -qw "$1" /sys/fs/cgroup/cgroup.controllers; }

overlay_works() {
  mkdir -p /tmp/o/lower /tmp/o/upper /tmp/o/work /tmp/o/merged
  mount -t overlay overlay \
    -o lowerdir=/tmp/o/lower,upperdir=/tmp/o/upper,workdir=/tmp/o/work /tmp/o/merged &&
    echo x > /tmp/o/merged/x && umount /tmp/o/merged && [ -e /tmp/o/upper/x ]
  result=$?
  rm -rf /tmp/o
  return $result
}

bridge_works() {
  ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2 &&
    ip link set probe1 master probe0 && ip link set probe1 up
  result=$?
  ip link del probe1
  ip link del probe0
  return $result
}

limit_works() {
  mkdir /sys/fs/cgroup/probe && echo +pids > /sys/fs/cgroup/cgroup.subtree_control &&
    echo 5 > /sys/fs/cgroup/probe/pids.max && grep -qx 5 /sys/fs/cgroup/probe/pids.max
  result=$?
  rmdir /sys/fs/cgroup/probe
  echo -pids > /sys/fs/cgroup/cgroup.subtree_control
  return $result
}

is_module() { [ -d "/sys/module/$1" ] || { echo "no module $1"; return 1; }; }
modules_there() {
  for module in nf_tables nf_nat nf_conntrack nft_ct nft_chain_nat nft_masq nft_meta_bridge tun; do
    is_module "$module" || return 1
  done
}

check "machine: cgroup2 is at /sys/fs/cgroup" grep -q ' /sys/fs/cgroup cgroup2 ' /proc/mounts
check "machine: no v1 hierarchy is mounted" fails grep -q ' cgroup cgroup ' /proc/mounts
for controller in cpuset cpu io memory pids; do
  check "machine: controller $controller" has_controller "$controller"
done
check "machine: a limit can be set" limit_works
check "machine: overlay on tmpfs" overlay_works
check "machine: bridge and veth" bridge_works
check "machine: nftables modules" modules_there
check "machine: two processors" equal 2 nproc
check "machine: pivot_root is possible, / is no initramfs" fails grep -q '^rootfs / rootfs' /proc/mounts
check "machine: swap" grep -q zram0 /proc/swaps
