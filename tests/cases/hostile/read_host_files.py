# Opens what every host has and no run may see.
import os

paths = """/etc/shadow /etc/machine-id /etc/fstab /etc/ssh/sshd_config /etc/resolv.conf /root /home /boot /var/log /var/lib /sys/kernel
/sys/class /run /dev/mem /dev/kmsg /dev/sda /dev/vda /dev/fuse /dev/kvm /dev/ptmx /dev/tty /proc/kcore /proc/kallsyms /proc/kmsg
/proc/modules /proc/iomem /proc/keys /proc/sysrq-trigger /proc/config.gz /proc/timer_list /proc/cmdline /var/run/docker.sock""".split()
doors = []
for path in paths:
    try:
        if os.path.isdir(path):
            if os.listdir(path):
                doors.append(path)
        else:
            # A terminal would wait for who types.
            os.read(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 1)
            doors.append(path)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: /proc/cmdline\n"
