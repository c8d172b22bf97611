# Prints bench.sh's latest.tsv as a table: medians with p10 and p90, ratios, targets.
BEGIN { FS = "\t" }
/^#/ { notes[++note_count] = substr($0, 3); next }
$1 == "start" || $1 == "import" {
  key = $1 "/" ($1 == "import" && $2 ~ /^bsdtar/ ? "bsdtar" : $2)
  if (key == "import/bsdtar") oracle = $2
  runs[key] = $3; failures[key] = $4; p10[key] = $6; median[key] = $7; p90[key] = $8; peak[key] = $11
}
$1 == "parallel" { p = "parallel/" $2; runs[p] = $3; failures[p] = $4; seconds[p] = $5; rate[p] = $6 }

function line(name, key) {
  if (!(key in median)) return
  printf "  %-40s %9.2f %9.2f %9.2f  %5d%s\n", name, median[key], p10[key], p90[key], runs[key], \
    failures[key] ? "   " failures[key] " FAILED" : ""
}
# verdict NAME, FIGURE, TARGET, HELD
function verdict(name, figure, target, held) {
  printf "  %-40s %20s   %-26s %s\n", name, figure, target, held ? "pass" : "short"
  if (!held) short++
}
function at_most(name, key, base, factor, what) {
  if (!(key in median) || !(base in median) || !median[base]) return
  ratio = median[key] / median[base]
  verdict(name, sprintf("%.2f x", ratio), "<= " factor " x " what, ratio <= factor)
}
function faster(name, key, base, factor) {
  if (!(key in median) || !(base in median) || !median[key]) return
  ratio = median[base] / median[key]
  verdict(name, sprintf("%.0f x faster", ratio), ">= " factor " x faster", ratio >= factor)
}

END {
  for (n = 1; n <= note_count; n++) print notes[n]
  printf "\n  %-40s %9s %9s %9s  %5s\n", "milliseconds", "median", "p10", "p90", "runs"
  line("minidock run --rm busybox true", "start/minidock-bridge")
  line("  floor (C) of the same", "start/floor-bridge")
  line("minidock run --rm --network none", "start/minidock-none")
  line("  floor (C) of the same", "start/floor-none")
  line("crun run, bare bundle", "start/crun-bare")
  line("runc run, bare bundle", "start/runc-bare")
  line("podman run --rm", "start/podman")
  line("docker run --rm", "start/docker")
  line("minidock --version", "start/minidock-version")
  line("  dynamic C hello", "start/hello")
  line("minidock import, 466 MB tar", "import/minidock")
  line("  " oracle, "import/bsdtar")
  for (p in rate) {
    name = p
    sub("parallel/", "", name)
    printf "  %-40s %9.1f a second, %d of %d failed\n", "200 at once: " name, rate[p], failures[p], runs[p]
  }
  printf "\n  %-40s %20s   %s\n", "target", "measured", "wanted"
  at_most("run, bridge, against the floor", "start/minidock-bridge", "start/floor-bridge", 1.4, "floor")
  at_most("run, bridge, against crun's bare bundle", "start/minidock-bridge", "start/crun-bare", 1.2, "crun")
  faster("run, bridge, against docker", "start/minidock-bridge", "start/docker", 35)
  faster("run, bridge, against podman", "start/minidock-bridge", "start/podman", 35)
  at_most("run, no network, against the floor", "start/minidock-none", "start/floor-none", 1.4, "floor")
  at_most("--version against C hello", "start/minidock-version", "start/hello", 2, "hello")
  p = "parallel/minidock-bridge"
  if (p in rate) {
    verdict("200 at once: throughput", sprintf("%.0f a second", rate[p]), ">= 100 a second", rate[p] >= 100)
    verdict("200 at once: errors", failures[p], "0", failures[p] == 0)
  }
  at_most("import against " oracle, "import/minidock", "import/bsdtar", 1.3, "both")
  if ("import/minidock" in peak) {
    mib = peak["import/minidock"] / 1024
    verdict("import: peak memory of a process", sprintf("%.0f MiB", mib), "< 64 MB", mib * 1.048576 < 64)
  }
}
