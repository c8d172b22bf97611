# Prints what life.sh has put into latest.tsv: figure, measured, peers, target, whether it is met.
BEGIN { FS = "\t" }
/^#/ { next }
# A figure that came once a round: kept sorted, for its median.
$1 == "life" {
  n = ++values[$2]
  for (; n > 1 && value[$2, n - 1] > $3 + 0; n--) value[$2, n] = value[$2, n - 1]
  value[$2, n] = $3 + 0
  next
}
# group, label, runs, failures, min, p10, median, p90, max, cpu, peak
{ key = $1 "/" $2; runs[key] = $3; failures[key] = $4; median[key] = $7 }

function figure(name) { return value[name, int((values[name] + 1) / 2)] }
function total(name,   n, sum) { for (n = 1; n <= values[name]; n++) sum += value[name, n]; return sum }
function milliseconds(key) { return sprintf("%.1f ms", median[key]) }
# rate KEY, MEGABYTES: of a command that moved so much.
function rate(key, megabytes) { return sprintf("%.0f MB/s", megabytes / median[key] * 1e3) }

function peer(name, text) { peers = peers (peers ? ", " : "") name " " text }
function line(name, measured, target, verdict) {
  printf "  %-33s %12s  %-48s  %-10s %s\n", name, measured, peers, target, verdict
  peers = ""
  if (verdict == "short") short++
}
function verdict(held) { return held ? "met" : "short" }
function ratio(name, key, base, most) {
  if (!median[key] || !median[base]) { peers = ""; return }
  line(name, sprintf("%.2f x", median[key] / median[base]), "<= " most " x", \
    verdict(median[key] / median[base] <= most))
}

function of_exec(   key, factor) {
  if (!median["exec/minidock"]) return
  split("crun runc podman docker", names, " ")
  for (n = 1; n in names; n++) if (median[key = "exec/" names[n]]) peer(names[n], milliseconds(key))
  line("exec true, " runs["exec/minidock"] " rounds", milliseconds("exec/minidock"), "", "")
  peer("nsenter", milliseconds("exec/nsenter"))
  ratio("  against nsenter", "exec/minidock", "exec/nsenter", 3)
  if (!median["exec/crun"]) return
  factor = median["exec/crun"] / median["exec/minidock"]
  line("  against crun exec", sprintf("%.1f x faster", factor), ">= 4 x", verdict(factor >= 4))
}
function of_detached() {
  if (!median["detached/detached"]) return
  if (median["detached/podman"]) peer("podman", milliseconds("detached/podman"))
  if (median["detached/docker"]) peer("docker", milliseconds("detached/docker"))
  line("run -d, " runs["detached/detached"] " rounds", milliseconds("detached/detached"), "", "")
  peer("run --rm", milliseconds("detached/run"))
  ratio("  against run --rm true", "detached/detached", "detached/run", 1.3)
}
function of_memory() {
  if (!("memory-minidock" in values)) return
  if ("memory-podman" in values)
    peer("conmon", sprintf("%.2f MB (of %d)", figure("memory-podman") / 1024, figure("memory-podman-count")))
  if ("memory-docker" in values)
    peer("containerd-shim", sprintf("%.2f MB (of %d)", figure("memory-docker") / 1024, figure("memory-docker-count")))
  line("monitor, PSS, of " figure("memory-minidock-count"), sprintf("%.2f MB", figure("memory-minidock") / 1024), \
    "<= 0.5 MB", verdict(figure("memory-minidock") / 1024 <= 0.5))
}
function of_many(   n) {
  if (!("start-per-second" in values)) return
  n = values["start-per-second"]
  line("many: run -d, 4 at a time, " n " rounds", sprintf("%.0f a second", figure("start-per-second")), ">= 100", \
    verdict(figure("start-per-second") >= 100))
  line("many: not started", total("not-started"), "0", verdict(!total("not-started")))
  line("many: ps beside them", milliseconds("beside/ps"), "<= 20 ms", verdict(median["beside/ps"] <= 20))
  peer("alone", milliseconds("alone/run"))
  ratio("many: run --rm beside them", "beside/run", "alone/run", 1.3)
  line("many: rm -f of all, " n " rounds", sprintf("%.0f a second", figure("remove-per-second")), ">= 200", \
    verdict(figure("remove-per-second") >= 200))
  peer("kernel done after", sprintf("%.1f s", figure("clean-seconds")))
  line("many: left behind", total("left"), "0", verdict(!total("left")))
}
function of_streams(   mb, share) {
  mb = figure("log-megabytes")
  if (!mb) return
  peer("bare pipe", rate("output/bare", mb * 10))
  if (median["output/podman"]) peer("podman", rate("output/podman", mb * 10))
  if (median["output/docker"]) peer("docker", rate("output/docker", mb * 10))
  line("stdout, " mb * 10 " MB, " runs["output/minidock"] " rounds", rate("output/minidock", mb * 10), "", "")
  share = median["output/bare"] / median["output/minidock"]
  line("  against a bare pipe", sprintf("%.2f x", share), ">= 0.7 x", verdict(share >= 0.7))
  line("  with a log", rate("output/minidock-log", mb * 10), "", "")
  if (median["log-write/podman"]) peer("podman", rate("log-write/podman", mb))
  if (median["log-write/docker"]) peer("docker", rate("log-write/docker", mb))
  line("log, " mb " MB, start to end", rate("log-write/minidock", mb), ">= 150", \
    verdict(mb / median["log-write/minidock"] * 1e3 >= 150))
  if (median["log-read/podman"]) peer("podman", rate("log-read/podman", mb))
  if (median["log-read/docker"]) peer("docker", rate("log-read/docker", mb))
  line("logs, read back", rate("log-read/minidock", mb), ">= 500", \
    verdict(mb / median["log-read/minidock"] * 1e3 >= 500))
  line("logs, byte for byte", figure("log-differs") ? "differ" : "the same", "the same", verdict(!figure("log-differs")))
}

END {
  if (!("log-megabytes" in values) && !("start-per-second" in values)) exit
  printf "\n  %-33s %12s  %-48s  %-10s\n", "containers that live", "measured", "peers", "target"
  of_exec()
  of_detached()
  of_memory()
  of_many()
  of_streams()
  for (key in failures) if (failures[key] && key ~ /^(exec|detached|alone|beside|output|log)/)
    printf "  %s: %d FAILED\n", key, failures[key]
}
