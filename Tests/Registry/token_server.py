#!/usr/bin/env python3
"""A token server for docker-registry (its auth.token), for tests.

usage: token_server.py DIRECTORY USER:PASSWORD

Makes a key and DIRECTORY/token.pem, the certificate that the registry trusts, serves tokens on a free port of
127.0.0.1, which it writes to DIRECTORY/token-port, and appends every request as a line to DIRECTORY/tokens.log:
the user, or "-" for none, and the scopes. Everybody may pull; the user may push as well.
"""
import base64, json, os, subprocess, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

directory, account = sys.argv[1], sys.argv[2]
key, certificate = f"{directory}/token.key", f"{directory}/token.pem"
subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=token",
                "-keyout", key, "-out", certificate], check=True, stderr=subprocess.DEVNULL)
der = "".join(line for line in open(certificate).read().split("\n") if not line.startswith("-"))


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(user, scopes):
    access = []
    for scope in scopes:
        kind, name, actions = scope.rsplit(":", 2) if scope.count(":") == 2 else scope.split(":", 2)
        granted = [action for action in actions.split(",") if action == "pull" or user]
        access.append({"type": kind, "name": name, "actions": granted})
    now = int(time.time())
    head = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
    claims = {"iss": "test", "aud": "test", "sub": user, "iat": now, "nbf": now - 60, "exp": now + 300,
              "jti": str(now), "access": access}
    body = encoded(json.dumps(head).encode()) + "." + encoded(json.dumps(claims).encode())
    signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=body.encode(),
                               stdout=subprocess.PIPE, check=True).stdout
    return body + "." + encoded(signature)


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        scopes = parse_qs(urlparse(self.path).query).get("scope", [])
        given = self.headers.get("Authorization")
        user = ""
        if given:
            if base64.b64decode(given.split()[1]).decode() != account:
                self.send_response(401)
                self.end_headers()
                return
            user = account.split(":")[0]
        with open(f"{directory}/tokens.log", "a") as file:
            file.write(" ".join([user or "-"] + sorted(scopes)) + "\n")
        data = json.dumps({"token": token(user, scopes)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(f"{directory}/port.tmp", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(f"{directory}/port.tmp", f"{directory}/token-port")
server.serve_forever()
