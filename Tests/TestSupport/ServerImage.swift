import Testing

/// An image with real servers and clients: nginx, redis-server, redis-cli and curl as the host's
/// packages install them, with the libraries that they need, on top of the bundled busybox.
public enum ServerImage {
  /// Whether the host has them.
  public static let isAvailable =
    ["nginx", "redis-server", "redis-cli", "curl"].allSatisfy(hasProgram)
  /// What a disabled test says.
  public static let requirement: Comment =
    "needs nginx, redis-server, redis-cli and curl (Debian: nginx, redis-server, redis-tools, curl)"

  /// A shell script that makes the image `servers` by `$MINIDOCK`, its tree for the time being in the
  /// directory `$1`. nginx answers each request with the client's address.
  public static let script = #"""
    set -e
    mkdir "$1"
    cd "$1"
    tar -xf "$MINIDOCK_IMAGES/busybox.tar"
    mkdir -p usr/bin etc/nginx var/lib/nginx var/log/nginx
    for program in nginx redis-server redis-cli curl; do
      path=$(command -v $program)
      cp -L "$path" usr/bin/$program
      ldd "$path" | grep -oE '/[^ )]+' | while read -r library; do
        [ -e ".$library" ] || cp -L --parents "$library" .
      done
    done
    grep -q '^root:' etc/passwd 2> /dev/null || echo 'root:x:0:0::/:/bin/sh' >> etc/passwd
    grep -q '^root:' etc/group 2> /dev/null || echo 'root:x:0:' >> etc/group
    cat > etc/nginx/nginx.conf << 'END'
    daemon off; user root; pid /tmp/nginx.pid; error_log stderr;
    events {}
    http {
      access_log off;
      server { listen 80; listen [::]:80; location / { return 200 "$remote_addr\n"; } }
    }
    END
    tar -cf - . | "$MINIDOCK" import - servers > /dev/null
    cd /
    rm -rf "$1"
    """#

  /// The command of a container that serves HTTP at port 80.
  public static let web = ["servers", "nginx", "-c", "/etc/nginx/nginx.conf"]
  /// The command of a container that is a database at port 6379.
  public static let database = [
    "servers", "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "",
  ]
}
