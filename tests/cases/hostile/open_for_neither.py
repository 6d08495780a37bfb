# Opens files of the host neither to read nor to write, which Landlock has no right for.
import os

doors = []
for path in ("/dev/ptmx", "../../../lock", "../../../../counts.sqlite3"):
    try:
        os.open(path, os.O_WRONLY | os.O_RDWR)
        doors.append(path)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: /dev/ptmx\n"
