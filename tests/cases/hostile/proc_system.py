# Changes the kernel by /proc/sys and its triggers.
import os

doors = []
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory", "/proc/sysrq-trigger",
             "/proc/sys/user/max_user_namespaces", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/fs/binfmt_misc/register", "/proc/acpi/wakeup"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        doors.append(path)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
