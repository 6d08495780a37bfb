# Lowers the limits of the processes that watch over the run.
import resource

touched = []
for pid in (1, 3):
    try:
        resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1))
        touched.append(pid)
    except OSError:
        pass
print(f"ESCAPED: {touched}" if touched else "held")
# expect: ending=exited:0  stdout="held\n"
