# Images: load and pull of one large layer beside bsdtar and the other engines, memory, a pull of what is
# there, and the list of many images. Sourced by bench.sh, whose peers it uses; image.awk prints what it
# measures.
#
#   BENCH_IMAGE_MB      megabytes of the layer (default 466)
#   BENCH_IMAGE_COUNT   images in the list (default 1000)
#   BENCH_IMAGE_ROUNDS  runs of each command; docker, podman and umoci get one less, but one (default 3)
#
# The layer is made of files of this machine's Debian packages, in the order of their priority. On a machine
# that has other work to do, BENCH_IMAGE_RR=1 puts everybody who is measured, daemons included, in front of it
# (SCHED_RR).
# shellcheck shell=sh disable=SC2154 # bench.sh and peers.sh set the rest

image_megabytes=${BENCH_IMAGE_MB:-466}
image_count=${BENCH_IMAGE_COUNT:-1000}
image_rounds=${BENCH_IMAGE_ROUNDS:-3}
image_port=5077
image_registry_pid=
image_first=
[ -z "${BENCH_IMAGE_RR:-}" ] || image_first="chrt --rr 1"

image_figure() { printf 'image\t%s\t%s\n' "$1" "$2" >>"$work/latest"; }

# image_time LABEL COMMAND...: one run, in seconds.
image_time() {
  label=$1
  shift
  begin=$(date +%s%N)
  # shellcheck disable=SC2086 # a command line
  if ! $image_first "$@" >"$work/image.out" 2>&1; then
    say "$label: left out: $(tail -n 1 "$work/image.out" | cut -c 1-160)"
    return 1
  fi
  image_figure "$label" "$(awk -v a="$begin" -v b="$(date +%s%N)" 'BEGIN { printf "%.4f", (b - a) / 1e9 }')"
}

# The regular files, directories and links of Debian packages until there is enough.
image_files() {
  dpkg-query -W -f '${Priority} ${Package} ${Package}:${Architecture}\n' |
    awk '{ n = index("required important standard optional", $1); print (n ? n : 99), $2, $3 }' |
    sort -k1,1n -k2,2 | while read -r _ name full; do
      cat "/var/lib/dpkg/info/$full.list" "/var/lib/dpkg/info/$name.list" 2>/dev/null || true
    done | awk '/^\/(usr|etc|var)\// && !seen[$0]++' |
    xargs -d '\n' stat -c '%f %s %n' 2>/dev/null |
    awk -v limit="$image_megabytes" '{
      if ($1 ~ /^8/) { if ($2 > 40e6) next; sum += int(($2 + 511) / 512) * 512 }
      if ((sum += 512) > limit * 1e6) exit
      sub(/^[^ ]* [^ ]* \//, ""); print
    }'
}

# image_blob FILE: moves a file into the layout and prints "sha256:DIGEST SIZE".
image_blob() {
  digest=$(sha256sum "$1" | cut -d ' ' -f 1)
  size=$(stat -c %s "$1")
  mv "$1" "$layout/blobs/sha256/$digest"
  echo "sha256:$digest $size"
}

# image_layout gz|zst: an OCI layout with docker's manifest.json beside it, and the same in a tar.
image_layout() {
  layout=$image/$1
  type=gzip
  [ "$1" = gz ] || type=zstd
  mkdir -p "$layout/blobs/sha256"
  media=application/vnd.oci.image
  printf '{"architecture":"%s","os":"linux","config":{"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$(dpkg --print-architecture)" "$image_diff" >"$image/config"
  # shellcheck disable=SC2046 # digest and size
  set -- "$1" $(image_blob "$image/layer.tar.$1") $(image_blob "$image/config")
  printf '{"schemaVersion":2,"mediaType":"%s","config":{"mediaType":"%s","digest":"%s","size":%s},"layers":[{"mediaType":"%s","digest":"%s","size":%s}]}' \
    "$media.manifest.v1+json" "$media.config.v1+json" "$4" "$5" "$media.layer.v1.tar+$type" "$2" "$3" >"$image/manifest"
  printf '[{"Config":"blobs/sha256/%s","RepoTags":["bench/%s:latest"],"Layers":["blobs/sha256/%s"]}]' \
    "${4#*:}" "$1" "${2#*:}" >"$layout/manifest.json"
  image_layer=$layout/blobs/sha256/${2#*:}
  # shellcheck disable=SC2046
  set -- "$1" $(image_blob "$image/manifest")
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"%s","size":%s,"annotations":{"io.containerd.image.name":"docker.io/bench/%s:latest","org.opencontainers.image.ref.name":"latest"}}]}' \
    "$media.manifest.v1+json" "$2" "$3" "$1" >"$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  tar -C "$layout" -cf "$image/$1.tar" oci-layout index.json manifest.json blobs
}

image_prepare() {
  image=$work/image
  mkdir -p "$image"
  image_files >"$image/list"
  tar -C / --no-recursion -T "$image/list" --format=gnu -cf "$image/layer.tar" 2>/dev/null || true
  image_size=$(stat -c %s "$image/layer.tar")
  image_diff=$(sha256sum "$image/layer.tar" | cut -d ' ' -f 1)
  zstd -q -3 -k "$image/layer.tar"
  if command -v pigz >/dev/null; then pigz -6 -k "$image/layer.tar"; else gzip -6 -k "$image/layer.tar"; fi
  rm "$image/layer.tar"
  say "image: $(wc -l <"$image/list") entries, $image_size bytes, gzip $(stat -c %s "$image/layer.tar.gz"), zstd $(stat -c %s "$image/layer.tar.zst")"
  image_figure bytes "$image_size"
  image_figure entries "$(wc -l <"$image/list")"
  for kind in gz zst; do
    image_layout "$kind"
    eval "image_layer_$kind=\$image_layer"
  done
}

image_start_registry() {
  command -v docker-registry >/dev/null && command -v skopeo >/dev/null || {
    say "image: pull needs docker-registry and skopeo, left out"
    return 0
  }
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: false}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
    "$image/registry" "$image_port" >"$image/registry.yml"
  docker-registry serve "$image/registry.yml" >"$image/registry.log" 2>&1 &
  image_registry_pid=$!
  for kind in gz zst; do
    tries=0
    until skopeo copy -q --insecure-policy --dest-tls-verify=false "oci:$image/$kind" \
      "docker://127.0.0.1:$image_port/$kind:latest" 2>"$work/try"; do
      tries=$((tries + 1))
      [ $tries -lt 20 ] || { say "image: no registry: $(tail -n 1 "$work/try")"; image_stop_registry; return 0; }
      sleep 0.3
    done
  done
}

image_stop_registry() {
  [ -z "$image_registry_pid" ] || kill "$image_registry_pid" 2>/dev/null || true
  image_registry_pid=
}

# minidock with a store of its own that begins empty.
image_minidock() { "$image_program" --root "$image/store/root" --runroot "$image/store/run" "$@"; }
image_new_store() {
  rm -rf "$image/store"
  mkdir -p "$image/store"
  image_minidock images >/dev/null
}

# image_each WORD: load and pull by minidock, in both compressions. WORD tells what decodes gzip.
image_each() {
  for kind in gz zst; do
    [ "$kind" = gz ] || [ "$1" = "$image_decoder" ] || continue
    word=$1
    [ "$kind" = gz ] || word=zstd
    image_new_store
    image_time "minidock $word load" "$image_program" --root "$image/store/root" \
      --runroot "$image/store/run" load -q -i "$image/$kind.tar"
    [ -n "$image_registry_pid" ] || continue
    image_new_store
    image_time "minidock $word pull" "$image_program" --root "$image/store/root" \
      --runroot "$image/store/run" pull -q "127.0.0.1:$image_port/$kind"
  done
}

image_peers_gz() {
  if command -v umoci >/dev/null; then
    rm -rf "$image/bundle"
    image_time "umoci gzip load" umoci unpack --image "$image/gz:latest" "$image/bundle" || true
    rm -rf "$image/bundle"
  fi
  for name in docker podman; do
    has "$name" || continue
    # shellcheck disable=SC2046 # a command line
    set -- $(engine "$name")
    plain=
    [ "$name" = docker ] || plain=--tls-verify=false
    image_time "$name gzip load" "$@" load -q -i "$image/gz.tar" || continue
    "$@" rmi -f bench/gz docker.io/bench/gz >/dev/null 2>&1 || true
    [ -n "$image_registry_pid" ] || continue
    # shellcheck disable=SC2086
    image_time "$name gzip pull" "$@" pull -q $plain "127.0.0.1:$image_port/gz" || continue
    "$@" rmi -f "127.0.0.1:$image_port/gz" >/dev/null 2>&1 || true
  done
}

image_memory() {
  gcc -O2 -o "$work/peak" "$here/timer/peak.c"
  for kind in gz zst; do
    for verb in load pull; do
      image_new_store
      what="-i $image/$kind.tar"
      [ "$verb" = load ] || what=127.0.0.1:$image_port/$kind
      [ "$verb" = load ] || [ -n "$image_registry_pid" ] || continue
      # shellcheck disable=SC2086
      image_figure "memory $kind $verb" "$("$work/peak" "$image_program" --root "$image/store/root" \
        --runroot "$image/store/run" $verb -q $what | tail -n 1)"
    done
  done
}

# How often a pull of what is there asks the registry: lines of its access log.
image_again() {
  [ -n "$image_registry_pid" ] || return 0
  image_new_store
  image_minidock pull -q "127.0.0.1:$image_port/gz" >/dev/null
  sleep 0.2
  before=$(grep -c HTTP/1 "$image/registry.log" || true)
  image_minidock pull -q "127.0.0.1:$image_port/gz" >/dev/null
  sleep 0.2
  image_figure "requests again" "$(($(grep -c HTTP/1 "$image/registry.log" || true) - before))"
}

image_list() {
  image_new_store
  mkdir "$image/tiny"
  number=0
  while [ $number -lt "$image_count" ]; do
    number=$((number + 1))
    echo $number >"$image/tiny/file"
    tar -C "$image/tiny" -cf "$image/tiny.tar" .
    image_minidock import "$image/tiny.tar" "bench/many$number:v1" >/dev/null
  done
  image_figure images "$(image_minidock images -q | wc -l)"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    image_time "list" "$image_program" --root "$image/store/root" --runroot "$image/store/run" images
  done
}

measure_image() {
  [ -n "$minidock" ] || return 0
  say "image: preparing"
  image_prepare
  image_start_registry
  if [ -n "$image_first" ]; then
    for daemon in $docker_pid $image_registry_pid; do chrt --all-tasks --rr --pid 1 "$daemon"; done
  fi
  image_program=$minidock
  image_decoder=zlib
  library=$(ldconfig -p | awk '/libisal\.so\.2/ { print $NF; exit }')
  if [ -n "$library" ]; then
    image_decoder=ISA-L
    # The same program where the library cannot be loaded.
    printf '#!/bin/sh\nexec unshare --mount sh -c '\''mount --bind /dev/null "$0" && exec "$@"'\'' %s %s "$@"\n' \
      "$(readlink -f "$library")" "$minidock" >"$image/minidock-zlib"
    chmod 755 "$image/minidock-zlib"
  fi
  round=0
  while [ $round -lt "$image_rounds" ]; do
    round=$((round + 1))
    say "image: round $round of $image_rounds"
    image_program=$minidock
    image_each "$image_decoder"
    if [ "$image_decoder" = ISA-L ]; then
      image_program=$image/minidock-zlib
      image_each zlib
    fi
    image_program=$minidock
    for kind in gz zst; do
      rm -rf "$image/tree"
      mkdir "$image/tree"
      eval "layer=\$image_layer_$kind"
      word=gzip
      [ $kind = gz ] || word=zstd
      image_time "bsdtar $word load" bsdtar -xpf "$layer" -C "$image/tree" || true
    done
    rm -rf "$image/tree"
    [ "$peers" = no ] || { [ $round -gt 1 ] && [ $round -eq "$image_rounds" ]; } || image_peers_gz
  done
  image_memory
  image_again
  image_list
  image_stop_registry
  rm -rf "$image"
}
