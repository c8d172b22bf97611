# Prints what image.sh has measured, from latest.tsv: "image", a name, a value; one line for each run.
BEGIN { FS = "\t" }
$1 == "image" { value[$2, ++n[$2]] = $3; if ($2 == "bytes") bytes = $3; if ($2 == "entries") entries = $3 }

function median(name,   i, j, list, count, swap) {
  count = n[name]
  if (!count) return 0
  for (i = 1; i <= count; i++) list[i] = value[name, i] + 0
  for (i = 1; i < count; i++) for (j = i + 1; j <= count; j++)
    if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
  return list[int((count + 1) / 2)]
}
function rate(name,   time) { time = median(name); return time ? bytes / time / 1e6 : 0 }
function cell(name) { return n[name] ? sprintf("%8.0f", rate(name)) : "       -" }
function row(label, who, target) {
  if (!n[who " load"]) return
  printf "  %-24s %s %s   %s\n", label, cell(who " load"), cell(who " pull"), target
}
function verdict(is, target) { return target (is ? "" : "  short") }
function line(label, text, target, isMet) { printf "  %-40s %12s   %s\n", label, text, verdict(isMet, target) }

END {
  if (!bytes) exit
  printf "\nimages: one layer of %d entries, %.0f MB unpacked; MB/s of unpacked bytes, medians\n", entries, bytes / 1e6
  printf "  %-24s %8s %8s   %s\n", "", "load", "pull", "target"
  row("minidock, gzip, ISA-L", "minidock ISA-L", ">= 450")
  row("minidock, gzip, zlib", "minidock zlib", ">= 330")
  row("minidock, zstd", "minidock zstd", ">= gzip")
  row("bsdtar alone, gzip", "bsdtar gzip", "")
  row("bsdtar alone, zstd", "bsdtar zstd", "")
  row("docker, gzip", "docker gzip", "")
  row("umoci unpack, gzip", "umoci gzip", "")
  row("podman, gzip", "podman gzip", "")
  best = n["minidock ISA-L load"] ? "minidock ISA-L" : "minidock zlib"
  split("docker umoci podman", names, " ")
  for (i = 1; i <= 3; i++) for (verb = 1; verb <= 2; verb++) {
    word = verb == 1 ? " load" : " pull"
    other = names[i] " gzip" word
    if (!n[other] || !n[best word]) continue
    times = median(other) / median(best word)
    line("minidock beside " names[i] word, sprintf("%.1f x", times), ">= 5 x", times >= 5)
  }
  split("gz load,gz pull,zst load,zst pull", memories, ",")
  for (i = 1; i <= 4; i++) {
    name = "memory " memories[i]
    if (n[name]) line("peak " name ", all processes", sprintf("%.1f MB", median(name) / 1e3), "< 96 MB", median(name) < 96e3)
  }
  if (n["requests again"])
    line("requests of a pull of what is there", median("requests again"), "<= 1", median("requests again") <= 1)
  if (n["list"])
    line("images, with " median("images"), sprintf("%.1f ms", median("list") * 1e3), "<= 20 ms", median("list") <= 0.02)
}
