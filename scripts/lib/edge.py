"""A web site of several replicas, and nginx before it: a deployment each, for tests and benches.

nginx is the machine's own, bind-mounted with the libraries it needs; its directives are those that
docs/how-to/rolling-updates.md shows. `/NAME/` goes to the deployment of that name.
"""

from __future__ import annotations

from pathlib import Path

PROGRAM = "/usr/sbin/nginx"
FOLDERS = ("/usr", "/lib", "/lib64")

NEXT_REPLICA = """\
resolver 127.0.0.11 valid=1s ipv6=off;
proxy_connect_timeout 1s;
proxy_next_upstream error timeout http_502 http_503;
"""

_NGINX = """\
user root;
worker_processes 1;
pid /tmp/nginx.pid;
error_log /dev/stderr error;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path /tmp/body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;
%s  server {
    listen 80;
    location = /edge { return 200 "edge"; }
    location ~ ^/(?<web>[a-z0-9-]+)(?<rest>/.*)$ { proxy_pass http://$web:80$rest; }
  }
}
"""

SITE = (
    "sh",
    "-c",
    'mkdir -p /www/cgi-bin; echo "${VERSION} $(hostname)" >/www/index.html; '
    "printf '#!/bin/sh\\necho; sleep 3; cat /www/index.html\\n' >/www/cgi-bin/slow; "
    "chmod +x /www/cgi-bin/slow; httpd -f -p 80 -h /www & server=$!; "
    "end() { kill ${server}; wait ${server}; "
    "while cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"01\" { open = 1 } END { exit !open }'; "
    "do sleep 0.1; done; sleep 0.5; exit 0; }; trap end TERM; while :; do sleep 3600 & wait; done",
)
"""Answers every GET of / with its version and host name. Asked to end, it takes no new connection,
finishes those that are open (/cgi-bin/slow takes 3 s), and exits with 0 a little later, so that
what was on its way is refused rather than lost with the address. Its variables are in
braces, as `ring apply` leaves them alone."""


def binds() -> list[tuple[str, str]]:
    """Where nginx and its libraries are on the machine, and where in the container."""
    return [(folder, folder) for folder in FOLDERS if Path(folder).is_dir()]


def settings() -> str:
    """Of nginx, whole."""
    directives = "".join(f"  {line}\n" for line in NEXT_REPLICA.splitlines())
    return _NGINX % directives


def command(settings_at: str) -> list[str]:
    """The program of its container."""
    return [PROGRAM, "-c", settings_at, "-g", "daemon off;"]
