#!/usr/bin/env python3
"""Starts moto's server on a free port of loopback.

The first line says where it listens; it ends when its standard input is closed, so that it never
outlives the test that started it.
"""

import logging
import sys

from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"listening on {host}:{port}", flush=True)
sys.stdin.read()
