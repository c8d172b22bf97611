#!/bin/sh
# Makes a root file system with real servers and clients from this machine's packages: busybox, and
# nginx, iperf3, wrk and redis with the libraries that they need.
#
# usage: rootfs.sh BUSYBOX.tar DIRECTORY       DIRECTORY must not exist
set -eu
[ $# -eq 2 ] || { echo "usage: $0 BUSYBOX.tar DIRECTORY" >&2; exit 2; }
root=$2
mkdir -p "$root"
tar xpf "$1" -C "$root"

# A file with the same path inside, and what a link leads to.
copy() {
  [ ! -e "$root$1" ] || return 0
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}
for name in nginx iperf3 wrk redis-server redis-benchmark; do
  program=$(command -v "$name") || { echo "rootfs: $name is not installed" >&2; exit 1; }
  mkdir -p "$root/usr/bin"
  cp -L "$program" "$root/usr/bin/$name"
  # "libc.so.6 => /lib/... (0x...)", and the loader, which has no arrow.
  ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' |
    while read -r library; do copy "$library"; done
done

# nginx -p /bench: one worker, a page of 612 bytes as nginx's own, connections that stay.
mkdir -p "$root/bench/page" "$root/bench/tmp"
printf '%612s' . >"$root/bench/page/index.html"
cat >"$root/bench/nginx.conf" <<'END'
user root;
daemon off;
pid tmp/nginx.pid;
error_log stderr crit;
worker_processes 1;
events { worker_connections 512; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path tmp/body; proxy_temp_path tmp/proxy; fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi; scgi_temp_path tmp/scgi;
  server { listen 80; root page; }
}
END
