# Writes the files by which a user namespace is given more rights.
doors = []
for name, text in {"uid_map": "0 0 1", "gid_map": "0 0 1", "setgroups": "allow", "oom_score_adj": "-1000", "projid_map": "0 0 1"}.items():
    try:
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
        doors.append(name)
    except OSError:
        pass
print("ESCAPED: " + ", ".join(doors) if doors else "held")
# expect: ending=exited:0  stdout="held\n"
# expect on gvisor: ending=exited:0  stdout="ESCAPED: oom_score_adj\n"
