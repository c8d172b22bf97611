# Prints what oci.sh has put into latest.tsv: figure, measured, target, whether it is met.
BEGIN { FS = "\t" }
/^#/ { next }
$1 == "oci-figure" { figure[$2] = $3; next }
# group, label, runs, failures, min, p10, median, p90, max, cpu, peak
$1 == "oci" || $1 == "oci-small" {
  key = $1 "/" $2
  runs[key] = $3; failures[key] = $4; low[key] = $6; median[key] = $7; high[key] = $8; peak[key] = $11
}

function line(name, measured, target, held) {
  printf "  %-48s %16s   %-12s %s\n", name, measured, target, target == "" ? "" : held ? "met" : "short"
}
function of_times(   n, key) {
  split("minidock crun runc", names, " ")
  for (n = 1; n in names; n++) {
    key = "oci/" names[n]
    if (key in median) {
      line(names[n] ": create + start + delete", sprintf("%.2f ms", median[key]), "")
      line("  p10 and p90 of " runs[key] " rounds", sprintf("%.2f  %.2f ms", low[key], high[key]), "")
      line("  largest process", sprintf("%.1f MB", peak[key] * 1024 / 1e6), \
        n == 1 ? "< 6 MB" : "", peak[key] * 1024 < 6e6)
    }
  }
}
function ratio(name, most) {
  if (!median["oci/" name]) return
  ratio_now = median["oci/minidock"] / median["oci/" name]
  line("minidock against " name, sprintf("%.2f x", ratio_now), "<= " most " x", ratio_now <= most)
}
function small(name,   key) {
  key = "oci-small/" name
  if (!(key in median)) return
  line(name " in a container of 8 MB: failed", failures[key] " of " runs[key] * 3, name == "minidock" ? "0" : "", !failures[key])
}

END {
  if (!("oci/minidock" in median)) exit
  printf "\n  %-48s %16s   %-12s\n", "OCI runtime, bare bundle", "measured", "target"
  of_times()
  ratio("crun", 0.8)
  ratio("runc", 0.3)
  small("minidock"); small("crun"); small("runc")
  if ("cycles" in figure) {
    growth = figure["last"] / figure["first"]
    line(figure["cycles"] " cycles: last hundred against the first", sprintf("%.2f x", growth), "<= 1.1 x", growth <= 1.1)
    line(figure["cycles"] " cycles: left behind", figure["left"], "0", figure["left"] == 0)
  }
  for (key in failures) if (failures[key]) printf "  %s: %d FAILED\n", key, failures[key]
}
