"""Starts one program, waits for it, and writes what it used to a file descriptor.

    python3 -I -S launch.py FD PROGRAM ARG…

A process of its own and this small, because the kernel counts the memory of the process that starts
a program as that program's: a launcher of 8 MiB keeps every larger figure right. Writes a line of
exit status, user and system seconds, wall seconds and the largest resident set in KiB.
"""

import os
import signal
import sys
import time

# Ctrl-C and SIGINT are for the program; this only waits.
signal.signal(signal.SIGINT, lambda *_: None)
report = int(sys.argv[1])
os.set_inheritable(report, False)
began = time.perf_counter()
try:
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
except OSError as error:
    os.write(report, f"{error.strerror}\n".encode())
    sys.exit(127)
_, status, usage = os.wait4(child, 0)
wall = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
cpu = usage.ru_utime + usage.ru_stime
os.write(report, f"{code} {cpu:.6f} {wall:.6f} {usage.ru_maxrss}\n".encode())
