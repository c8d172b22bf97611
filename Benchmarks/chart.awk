# Draws bench.sh's latest.tsv as an SVG of horizontal bars, in two panels with linear scales of their
# own: whole engines, then the fast ones close up. Follows the reader's light or dark theme.
BEGIN { FS = "\t" }
/^#/ && !machine { machine = substr($0, 3); next }
/^#/ { next }
# group, label, runs, failures, min, p10, median, p90, max, cpu, peak
$1 == "start" { p10[$2] = $6; median[$2] = $7; p90[$2] = $8 }

function escape(text) {
  gsub(/&/, "\\&amp;", text)
  gsub(/</, "\\&lt;", text)
  return text
}
function text(x, y, class, anchor, content) {
  printf "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" text-anchor=\"%s\">%s</text>\n", x, y, class, \
    anchor, escape(content)
}
# The largest round number of ticks' worth: 1, 2 or 5 times a power of ten.
function tick_size(most,   unit) {
  for (unit = 0.01; unit < 1e6; unit *= 10) {
    if (most / unit <= 5) return unit
    if (most / (unit * 2) <= 5) return unit * 2
    if (most / (unit * 5) <= 5) return unit * 5
  }
}
function row(key, label, kind) {
  if (!(key in median)) return
  rows++
  row_key[rows] = key
  row_label[rows] = label
  row_kind[rows] = kind
  if (p90[key] > most) most = p90[key]
}
function value_of(ms) { return ms >= 100 ? sprintf("%.0f ms", ms) : sprintf("%.1f ms", ms) }

function panel(title,   n, y, x, tick, w, kind) {
  if (!rows) return
  text(left - label_width, top, "panel", "start", title)
  top += 14
  tick = tick_size(most)
  scale = (width - left - right) / most
  bottom = top + rows * pitch
  for (x = 0; x <= most; x += tick) {
    printf "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", left + x * scale, \
      top, left + x * scale, bottom, x ? "grid" : "axis"
    text(left + x * scale, bottom + 14, "tick", "middle", x (x + tick > most ? " ms" : ""))
  }
  for (n = 1; n <= rows; n++) {
    y = top + (n - 1) * pitch + (pitch - bar) / 2
    w = median[row_key[n]] * scale
    text(left - 10, y + bar / 2 + 4.5, row_kind[n] == "own" ? "label own-label" : "label", "end", row_label[n])
    printf "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", left, y, \
      (w < 1.5 ? 1.5 : w), bar, row_kind[n]
    # From the 10th to the 90th percentile.
    printf "<path d=\"M%.1f %.1fH%.1f\" class=\"spread\"/>\n", left + p10[row_key[n]] * scale, y + bar / 2, \
      left + p90[row_key[n]] * scale
    x = (p90[row_key[n]] > median[row_key[n]] ? p90[row_key[n]] : median[row_key[n]]) * scale
    text(left + x + 8, y + bar / 2 + 4.5, row_kind[n] == "own" ? "value own-label" : "value", "start", \
      value_of(median[row_key[n]]))
  }
  top = bottom + 46
  rows = most = 0
}

END {
  width = 760; left = 250; right = 90; label_width = 226; pitch = 30; bar = 18
  top = 92
  body = ""
  head()
  row("minidock-bridge", "minidock run", "own")
  row("podman", "podman run", "peer")
  row("docker", "docker run", "peer")
  # Alone against itself it says nothing.
  if (rows > 1) panel("The whole job: image, overlay, cgroup, bridge network, seccomp")
  else rows = most = 0
  row("floor-bridge", "C floor, same job", "floor")
  row("minidock-bridge", "minidock run", "own")
  row("crun-bare", "crun, bare bundle, no network", "peer")
  row("runc-bare", "runc, bare bundle, no network", "peer")
  row("floor-none", "C floor, --network none", "floor")
  row("minidock-none", "minidock run --network none", "own")
  panel("Close up: against C, and against runtimes that do less")
  text(left - label_width, top - 12, "tick", "start", \
    "Median; thin line: 10th to 90th percentile. One run, commands interleaved.")
  text(left - label_width, top + 4, "tick", "start", machine)
  print "</svg>"
}

function head() {
  # The height is known only at the end of the panels: count the rows first.
  whole = ("podman" in median) + ("docker" in median)
  if (whole) whole += "minidock-bridge" in median
  near = ("floor-bridge" in median) + ("minidock-bridge" in median) + ("crun-bare" in median) + \
    ("runc-bare" in median) + ("floor-none" in median) + ("minidock-none" in median)
  height = top + (whole > 1 ? whole * pitch + 60 : 0) + near * pitch + 60 + 20
  printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"Start-up time of minidock and other container engines\">\n", width, height, width, height
  print "<style>"
  print "text { font-family: -apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 13px; fill: #24292f; }"
  print ".title { font-size: 18px; font-weight: 600; } .subtitle { fill: #57606a; }"
  print ".panel { font-weight: 600; } .own-label { font-weight: 600; }"
  print ".tick { font-size: 11px; fill: #57606a; }"
  print ".paper { fill: #ffffff; } .axis { stroke: #8c959f; } .grid { stroke: #d8dee4; }"
  print ".own { fill: #e8590c; } .floor { fill: #868e96; } .peer { fill: #4c8dd6; }"
  print ".spread { stroke: #24292f; stroke-width: 1.2; fill: none; opacity: 0.75; }"
  print "@media (prefers-color-scheme: dark) {"
  print "  text { fill: #e6edf3; } .subtitle, .tick { fill: #9aa4af; } .paper { fill: #0d1117; }"
  print "  .axis { stroke: #6e7681; } .grid { stroke: #30363d; } .spread { stroke: #e6edf3; }"
  print "  .own { fill: #ff7b2e; } .floor { fill: #7d8590; } .peer { fill: #5a9be6; }"
  print "}"
  print "</style>"
  printf "<rect class=\"paper\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", width, height
  text(left - label_width, 36, "title", "start", "How long until true has run and gone")
  text(left - label_width, 57, "subtitle", "start", "run --rm busybox true, wall-clock milliseconds, shorter is better")
}
