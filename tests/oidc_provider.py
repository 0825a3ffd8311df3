"""A small OpenID Connect provider in a thread: discovery, a page to choose who one is, codes, signed ID tokens."""

import base64
import contextlib
import hashlib
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PEOPLE = {"ada": ["ward"], "bob": ["kitchen"]}


def encode(data):
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextlib.contextmanager
def run_provider():
    """Yield the issuer: another host name than the dashboard's, so that browsers take it for another site."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    codes = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            path, query = urlsplit(self.path).path, {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
            if path.endswith("openid-configuration"):
                self.answer(describe(issuer))
            elif path == "/jwks":
                self.answer({"keys": [describe_key(key)]})
            elif path != "/authorize":
                self.answer({}, 404)
            else:
                links = ""
                for person in PEOPLE:
                    code = secrets.token_hex(8)
                    codes[code] = (person, query["nonce"], query.get("code_challenge"))
                    back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
                    links += f'<p><a id="{person}" href="{back.replace("&", "&amp;")}">{person}</a></p>'
                self.answer(f"<title>Provider</title>{links}")

        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            person, nonce, challenge = codes.pop(form["code"][0])
            if challenge != encode(hashlib.sha256(form["code_verifier"][0].encode()).digest()):
                self.answer({"error": "invalid_grant"}, 400)
                return
            now = int(time.time())
            claims = {
                "iss": issuer, "aud": "medcore", "sub": f"id-{person}", "iat": now, "exp": now + 300, "nonce": nonce,
                "preferred_username": person, "groups": PEOPLE[person],
            }  # fmt: skip
            body = f"{encode({'alg': 'RS256', 'kid': 'k1'})}.{encode(claims)}"
            signed = f"{body}.{encode(key.sign(body.encode(), padding.PKCS1v15(), hashes.SHA256()))}"
            self.answer({"access_token": "a", "token_type": "Bearer", "expires_in": 300, "id_token": signed})

        def answer(self, body, status=200):
            raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


def describe(issuer):
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }


def describe_key(key):
    numbers = key.public_key().public_numbers()
    return {
        "kty": "RSA", "kid": "k1", "use": "sig", "alg": "RS256",
        "n": encode(numbers.n.to_bytes(256, "big")), "e": encode(numbers.e.to_bytes(3, "big")),
    }  # fmt: skip
