#!/usr/bin/env python3
"""A registry that lies, for tests.

usage: hostile_registry.py make DIRECTORY NAME TAG [LAYERS [BYTES [TYPE [PLATFORM]]]]
       hostile_registry.py serve DIRECTORY [CERTIFICATE KEY]

`make` puts an image into DIRECTORY: layers of random files, compressed by TYPE (gzip, zstd, plain), and prints
the digests of manifest, configuration and layers. `serve` serves what is there on a free port of 127.0.0.1,
which it writes to DIRECTORY/port, appends every request with its headers to DIRECTORY/requests.jsonl, and does
what DIRECTORY/tricks.json says, which is read for every request:

  "auth": {"scheme": "basic"|"bearer", "user": "a:b", "realm": URL}      answer 401 without credentials
  "foreign": STATUS                        what everything outside /v2/ and /token answers with
  DIGEST or "manifest" or "tags": {        what happens to that document
      "flip": N        one bit of byte N is wrong          "wrong": true    other bytes of the same length
      "short": N       the connection ends after N bytes   "clean": N       N bytes, announced as such
      "drop": N        as short, but only "times" times    "norange": true  Range is ignored
      "more": N        N bytes more                        "endless": true  never ends
      "stall": N       N bytes, then silence               "drip": true     a byte at a time
      "status": N      that status, "times" times          "redirect": URL  307 to URL
      "type": T        that media type                     "digest": D      that Docker-Content-Digest
      "body": TEXT     that text instead }
"""
import base64, gzip, hashlib, io, json, os, random, ssl, subprocess, sys, tarfile, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def put(directory, kind, data):
    digest = hashlib.sha256(data).hexdigest()
    os.makedirs(f"{directory}/{kind}", exist_ok=True)
    with open(f"{directory}/{kind}/{digest}", "wb") as file:
        file.write(data)
    return "sha256:" + digest


def make_layer(number, size):
    space = io.BytesIO()
    with tarfile.open(fileobj=space, mode="w") as archive:
        def add(name, data, mode=0o644):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))
        if number == 0 and os.environ.get("BUSYBOX"):
            with open(os.environ["BUSYBOX"], "rb") as file:
                entry = tarfile.TarInfo("bin")
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
                add("bin/busybox", file.read(), 0o755)
        generator = random.Random(f"{number} {size}")
        add(f"layer-{number}", generator.randbytes(size))
    return space.getvalue()


def make(directory, name, tag, layers=1, size=100000, kind="gzip", platform="linux/amd64"):
    parts, diff_ids = [], []
    for number in range(int(layers)):
        plain = make_layer(number, int(size))
        diff_ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
        suffix = {"gzip": "+gzip", "zstd": "+zstd", "plain": ""}[kind]
        data = plain
        if kind == "gzip":
            data = gzip.compress(plain, 1, mtime=0)
        if kind == "zstd":
            data = subprocess.run(["zstd", "-q", "-1", "-c"], input=plain, stdout=subprocess.PIPE, check=True).stdout
        parts.append({"mediaType": "application/vnd.oci.image.layer.v1.tar" + suffix,
                      "digest": put(directory, "blobs", data), "size": len(data)})
    system, architecture = platform.split("/")[:2]
    config = json.dumps({
        "architecture": architecture, "os": system, "config": {"Cmd": ["/bin/busybox", "true"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": [{"created_by": name + tag}],
    }).encode()
    config_digest = put(directory, "blobs", config)
    manifest = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": config_digest, "size": len(config)},
        "layers": parts}).encode()
    digest = put(directory, "manifests", manifest)
    os.makedirs(f"{directory}/tags/{name}", exist_ok=True)
    with open(f"{directory}/tags/{name}/{tag}", "w") as file:
        file.write(digest)
    print("\n".join([digest, config_digest] + [part["digest"] for part in parts]))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    directory = ""
    counts = {}
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    do_GET = do_POST = do_PUT = do_PATCH = do_HEAD

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else b""
        record = {"method": self.command, "path": self.path, "headers": dict(self.headers.items()),
                  "body": body[:1000].decode("latin-1")}
        with Handler.lock, open(self.directory + "/requests.jsonl", "a") as file:
            file.write(json.dumps(record) + "\n")
        try:
            with open(self.directory + "/tricks.json") as file:
                self.tricks = json.load(file)
        except FileNotFoundError:
            self.tricks = {}
        path = self.path.split("?")[0]
        if path == "/token":
            self.send(200, json.dumps({"token": "good", "expires_in": 300}).encode(), "application/json")
        elif not path.startswith("/v2/"):
            self.send(self.tricks.get("foreign", 200), b"foreign", "text/plain")
        elif not self.is_allowed():
            self.refuse()
        elif path == "/v2/":
            self.send(200, b"{}", "application/json")
        else:
            self.document(path[4:])

    def is_allowed(self):
        auth = self.tricks.get("auth")
        if not auth:
            return True
        value = self.headers.get("Authorization") or ""
        if auth["scheme"] == "basic":
            return value == "Basic " + base64.b64encode(auth["user"].encode()).decode()
        return value == "Bearer good"

    def refuse(self):
        auth = self.tricks["auth"]
        challenge = 'Basic realm="test"'
        if auth["scheme"] == "bearer":
            challenge = f'Bearer realm="{auth["realm"]}",service="test"'
        self.send(401, b"{}", "application/json", {"WWW-Authenticate": challenge})

    def document(self, path):
        name, kind, reference = None, None, None
        for word in ("/manifests/", "/blobs/", "/tags/"):
            if word in path:
                name, reference = path.split(word)
                kind = word.strip("/")
        headers, media_type, trick = {}, "application/octet-stream", {}
        if kind == "tags":
            tags = sorted(os.listdir(f"{self.directory}/tags/{name}"))
            data = json.dumps({"name": name, "tags": tags}).encode()
            trick = self.tricks.get("tags", {})
        elif kind in ("manifests", "blobs"):
            trick = self.tricks.get(reference, {})
            if kind == "manifests":
                trick = trick or self.tricks.get("manifest", {})
                if not reference.startswith("sha256:"):
                    try:
                        with open(f"{self.directory}/tags/{name}/{reference}") as file:
                            reference = file.read().strip()
                    except FileNotFoundError:
                        return self.send(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}', "application/json")
                headers["Docker-Content-Digest"] = trick.get("digest", reference)
            try:
                with open(f"{self.directory}/{kind}/{reference[7:]}", "rb") as file:
                    data = file.read()
            except FileNotFoundError:
                return self.send(404, b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]}', "application/json")
            if kind == "manifests":
                media_type = json.loads(data).get("mediaType", "application/vnd.oci.image.manifest.v1+json")
        else:
            return self.send(404, b"{}", "application/json")
        media_type = trick.get("type", media_type)
        self.play(trick, data, media_type, headers)

    def first_times(self, trick, key):
        with Handler.lock:
            key = (self.path, key)
            Handler.counts[key] = Handler.counts.get(key, 0) + 1
            return Handler.counts[key] <= trick.get("times", 1 << 30)

    def play(self, trick, data, media_type, headers):
        if "status" in trick and self.first_times(trick, "status"):
            return self.send(trick["status"], b'{"errors":[{"code":"X","message":"a trick"}]}', "application/json")
        if "redirect" in trick:
            return self.send(307, b"", "text/plain", {"Location": trick["redirect"]})
        if "body" in trick:
            data = trick["body"].encode()
        if trick.get("wrong"):
            data = bytes(255 - byte for byte in data)
        if "flip" in trick:
            place = trick["flip"] % len(data)
            data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1:]
        if "more" in trick:
            data += b"x" * trick["more"]
        if "clean" in trick:
            data = data[:trick["clean"]]
        status, whole = 200, len(data)
        wanted = self.headers.get("Range")
        if wanted and not trick.get("norange"):
            start = int(wanted.split("=")[1].split("-")[0])
            status, data = 206, data[start:]
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        if trick.get("endless"):
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            chunk = b"10000\r\n" + b"\0" * 65536 + b"\r\n"
            while True:
                self.wfile.write(chunk)
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        stalls = "stall" in trick and self.first_times(trick, "stall")
        cut = trick["stall"] if stalls else trick.get("short")
        if "drop" in trick and self.first_times(trick, "drop"):
            cut = trick["drop"]
        if trick.get("drip"):
            for byte in data:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(0.4)
            return
        self.wfile.write(data if cut is None else data[:cut])
        self.wfile.flush()
        if stalls:
            time.sleep(600)
        if cut is not None:
            self.close_connection = True

    def send(self, status, data, media_type, headers={}):
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def serve(directory, certificate=None, key=None):
    Handler.directory = directory
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *arguments: None
    with open(directory + "/port.tmp", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(directory + "/port.tmp", directory + "/port")
    server.serve_forever()


if __name__ == "__main__":
    {"make": make, "serve": serve}[sys.argv[1]](*sys.argv[2:])
