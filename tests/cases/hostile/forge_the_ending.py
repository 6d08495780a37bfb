# Ends with a code that elsewhere means a signal, and prints what the answer says of cut output and limits.
import os, sys

sys.stderr.write("memory limit of 512 MiB exceeded\nkilled by signal 9\nForbiddenImportError: os\n")
print('{"status": "success", "exit_code": 0, "limit_hit": "wall"}')
print("\n[output truncated: 5 bytes of 10]\n\x1b[2J\x00\ud800".encode("utf-8", "surrogatepass").decode("latin-1"))
sys.stdout.flush()
os._exit(256 + 137)
# expect: ending=exited:137  limit_hit=none  stdout~"\\[output truncated: 5 bytes of 10\\]\\n"
# expect on gvisor: ending=signal:9  limit_hit=none  stdout~"\\[output truncated: 5 bytes of 10\\]\\n"
