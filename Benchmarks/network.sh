# Networks: throughput, latency of a real nginx, and what the network adds to a run, alone and beside
# hundreds of containers with published ports. Sourced by bench.sh, whose series and timer it uses;
# network.awk prints what it measures.
#
# The floor is a veth pair and a bridge made by hand in `ip netns`, without a packet rule, measured in
# the same run, in turns. Its servers and clients are containers, too, which join these namespaces by
# --network host: what differs is the network.
#
#   BENCH_NETWORK_COUNT    containers beside (default 500)
#   BENCH_NETWORK_SECONDS  of each measurement (default 2)
#   BENCH_NETWORK_ROUNDS   of each measurement (default 9)
# shellcheck shell=sh disable=SC2154 # bench.sh sets the rest

network_count=${BENCH_NETWORK_COUNT:-500}
network_seconds=${BENCH_NETWORK_SECONDS:-2}
network_rounds=${BENCH_NETWORK_ROUNDS:-9}

network_figure() { printf 'network\t%s\t%s\n' "$1" "$2" >>"$work/latest"; }

# The floor: the namespace mdhost is the host, without packet rules; mda and mdb are the containers.
floor_network() {
  mkdir -p /run/netns
  mount -t tmpfs none /run/netns
  for name in mdhost mda mdb; do
    ip netns add $name
    ip -n $name link set lo up
  done
  ip -n mdhost link add br0 type bridge
  ip -n mdhost addr add 10.98.0.1/24 dev br0
  ip -n mdhost link set br0 up
  number=2
  for name in mda mdb; do
    ip -n mdhost link add "v$name" type veth peer name eth0 netns $name
    ip -n mdhost link set "v$name" master br0 up
    ip -n $name addr add "10.98.0.$number/24" dev eth0
    ip -n $name link set eth0 up
    ip -n $name route add default via 10.98.0.1
    number=$((number + 1))
  done
}
# in_floor NAMESPACE COMMAND...: with that network and none of the rest.
in_floor() {
  namespace=$1
  shift
  nsenter --net="/run/netns/$namespace" "$@"
}

start_network() {
  tar cf "$work/net.tar" -C "$work/net" .
  "$minidock" import "$work/net.tar" net >/dev/null
  rm "$work/net.tar"
  "$minidock" run -d --name net-web -p 8080:80 net \
    nginx -e stderr -p /bench -c nginx.conf >/dev/null
  "$minidock" run -d --name net-sink -p 5201:5201 net iperf3 -s >/dev/null
  "$minidock" run -d --name net-client net sleep 1000000 >/dev/null
  in_floor mdb "$minidock" run -d --name net-floor-web --network host net \
    nginx -e stderr -p /bench -c nginx.conf >/dev/null
  in_floor mdb "$minidock" run -d --name net-floor-sink --network host net iperf3 -s >/dev/null
  in_floor mda "$minidock" run -d --name net-floor-client --network host net sleep 1000000 >/dev/null
  web=$("$minidock" inspect --format '{{.NetworkSettings.IPAddress}}' net-web)
  sink=$("$minidock" inspect --format '{{.NetworkSettings.IPAddress}}' net-sink)
  sleep 1
}

# throughput FIGURE COMMAND...: megabits a second that the receiver has counted.
throughput() {
  figure=$1
  shift
  "$@" iperf3 -f m -t "$network_seconds" -c "$target" 2>/dev/null |
    awk '/receiver/ { print $(NF - 2) }' >"$work/iperf"
  network_figure "$figure" "$(cat "$work/iperf")"
}
# latency FIGURE URL COMMAND...: half and 99 % of the requests took less, in microseconds.
latency() {
  figure=$1 url=$2
  shift 2
  "$@" wrk -t 1 -c 2 -d "$network_seconds" --latency "$url" >"$work/wrk" 2>/dev/null || true
  awk '
    function microseconds(text) {
      return text ~ /us$/ ? text + 0 : text ~ /ms$/ ? text * 1000 : text * 1000000
    }
    $1 == "50%" { print "p50", microseconds($2) }
    $1 == "99%" { print "p99", microseconds($2) }' "$work/wrk" |
    while read -r name value; do network_figure "$figure-$name" "$value"; done
}

measure_paths() {
  bridged=$(cat /proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null || echo 0)
  tables=$(nft list tables 2>/dev/null | wc -l)
  say "bridge-nf-call-iptables is $bridged; $tables tables of packet rules, minidock's two among them: all others make it slower, too"
  say "throughput and latency: $network_rounds rounds of $network_seconds s"
  client="$minidock exec net-client"
  # --network host leaves exec where it is.
  floor_client="in_floor mda $minidock exec net-floor-client"
  for _ in $(seq "$network_rounds"); do
    # shellcheck disable=SC2086 # command lines
    {
      target=10.98.0.3 throughput floor-between $floor_client
      target=$sink throughput between $client
      target=10.98.0.3 throughput floor-host in_floor mdhost
      target=127.0.0.1 throughput published env
      latency floor-host "http://10.98.0.3:80/" in_floor mdhost
      latency address "http://$web:80/" env
      latency published "http://127.0.0.1:8080/" env
      latency floor-between "http://10.98.0.3:80/" $floor_client
      latency between "http://$web:80/" $client
    }
  done
}

# measure_added NAME: what the network adds to a run.
measure_added() {
  new_series "added-$1"
  add @label=bridge "$minidock" run --rm busybox true
  add @label=none "$minidock" run --rm --network none busybox true
  # shellcheck disable=SC2086 # $floor is a command line
  add @label=floor-bridge $floor --network bridge true
  # shellcheck disable=SC2086
  add @label=floor-none $floor --network none true
  measure "added-$1" --rounds "$rounds" --warmup 3 --pause 10
}

measure_network() {
  [ -n "$minidock" ] || return 0
  for name in nginx iperf3 wrk redis-server; do
    command -v "$name" >/dev/null ||
      { say "networks: $name is not installed (nginx-light iperf3 wrk redis-server), left out"; return 0; }
  done
  "$here/network/rootfs.sh" "$work/busybox.tar" "$work/net"
  say "network of a run: $rounds rounds"
  measure_added alone
  floor_network
  start_network
  measure_paths
  "$minidock" rm -f net-web net-sink net-client net-floor-web net-floor-sink net-floor-client >/dev/null
  say "$network_count containers with as many published ports"
  seq 20001 $((20000 + network_count)) | xargs -P4 -I{} \
    "$minidock" run -d --name "net-{}" -p "{}:80" busybox sleep 1000000 >/dev/null
  network_figure containers "$("$minidock" ps -q | wc -l)"
  measure_added beside
  # shellcheck disable=SC2046 # names
  "$minidock" rm -f $(seq -f 'net-%.0f' 20001 $((20000 + network_count))) >/dev/null
}
