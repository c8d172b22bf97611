# Prints what network.sh has put into latest.tsv: figure, measured, floor, target, whether it is met.
BEGIN { FS = "\t" }
/^#/ { next }
# A figure that came once a round: kept sorted, for its median.
$1 == "network" {
  n = ++values[$2]
  for (; n > 1 && value[$2, n - 1] > $3 + 0; n--) value[$2, n] = value[$2, n - 1]
  value[$2, n] = $3 + 0
  next
}
# group, label, runs, failures, min, p10, median, p90, max, cpu, peak
$1 ~ /^added-/ { median[$1 "/" $2] = $7; runs[$1] = $3; failures[$1 "/" $2] = $4 }

function figure(name) { return value[name, int((values[name] + 1) / 2)] }
function line(name, measured, floor, target, held) {
  printf "  %-42s %14s  %-26s  %-10s %s\n", name, measured, floor, target, \
    target == "" ? "" : held ? "met" : "short"
}
function throughput(name, key, base) {
  if (!figure(base)) return
  line(name, sprintf("%.1f Gbit/s", figure(key) / 1000), sprintf("floor %.1f Gbit/s", figure(base) / 1000), "", 1)
  line("  against the floor", sprintf("%.2f x", figure(key) / figure(base)), "", ">= 0.95 x", \
    figure(key) >= 0.95 * figure(base))
}
function latency(name, key, base,   part, n) {
  for (n = 1; n <= 2; n++) {
    part = n == 1 ? "-p50" : "-p99"
    if (!figure(base part)) return
    line(n == 1 ? name ", p50" : "  p99", sprintf("%.0f us", figure(key part)), \
      sprintf("floor %.0f us, %.2f x", figure(base part), figure(key part) / figure(base part)), \
      "<= 1.05 x", figure(key part) <= 1.05 * figure(base part))
  }
}
function added(group) { return median[group "/bridge"] - median[group "/none"] }

END {
  if (!("added-alone" in runs)) exit
  printf "\n  %-42s %14s  %-26s  %-10s\n", "networks", "measured", "", "target"
  throughput("TCP, container to container", "between", "floor-between")
  throughput("TCP, host to published port", "published", "floor-host")
  latency("nginx, from the host, by address", "address", "floor-host")
  latency("nginx, from the host, published port", "published", "floor-host")
  latency("nginx, from another container", "between", "floor-between")
  line("added to a run, " runs["added-alone"] " rounds", sprintf("%.2f ms", added("added-alone")), \
    sprintf("floor %.2f ms", median["added-alone/floor-bridge"] - median["added-alone/floor-none"]), "<= 2.5 ms", \
    added("added-alone") <= 2.5)
  line("  a run, all in all", sprintf("%.2f ms", median["added-alone/bridge"]), \
    sprintf("--network none %.2f ms", median["added-alone/none"]), "", 1)
  # 1.2 times what it may cost alone; a ratio of two differences says nothing where the first is small.
  if ("added-beside" in runs)
    line("  beside " figure("containers") " containers and ports", sprintf("%.2f ms", added("added-beside")), \
      sprintf("floor %.2f ms", median["added-beside/floor-bridge"] - median["added-beside/floor-none"]), \
      "<= 3.0 ms", added("added-beside") <= 3.0)
  for (key in failures) if (failures[key]) printf "  %s: %d FAILED\n", key, failures[key]
}
