# Works with files as programs do: paths, links, rights, times, maps, locks, copies, sparse files, temporary ones.
import fcntl, filecmp, fileinput, glob, mmap, os, pathlib, shutil, stat, tempfile

root = pathlib.Path("root")
(root / "a" / "b").mkdir(parents=True)
(root / "a" / "one.txt").write_text("one\ntwo\n", encoding="utf-8")
(root / "ünï 😀.txt").write_bytes(b"x")
print(sorted(p.name for p in root.rglob("*")), sorted(glob.glob("**/*.txt", root_dir="root", recursive=True)))
os.symlink("a/one.txt", root / "link")
os.link(root / "a" / "one.txt", root / "hard")
print(os.readlink(root / "link"), (root / "link").resolve() == (root / "a/one.txt").resolve(), os.stat(root / "hard").st_nlink, (root / "link").is_symlink())
os.chmod(root / "hard", 0o640)
os.utime(root / "hard", (5, 6))
print(stat.filemode(os.stat(root / "hard").st_mode), os.stat(root / "hard").st_mtime, os.access(root, os.W_OK))
with open("map", "wb+") as file:
    file.truncate(1 << 20)
    with mmap.mmap(file.fileno(), 0) as view:
        view[4096:4101] = b"hello"
        view.flush()
        print(view.find(b"hello"), view.size())
    file.seek(4096)
    print(file.read(5), os.stat("map").st_blocks < 2048)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.lockf(file, fcntl.LOCK_EX)
    os.pwrite(file.fileno(), b"J", 4096)
    os.fsync(file.fileno())
    print(os.pread(file.fileno(), 5, 4096), os.posix_fallocate(file.fileno(), 0, 100), os.copy_file_range(file.fileno(), os.open("copy", os.O_CREAT | os.O_WRONLY, 0o600), 8192, 0))
with mmap.mmap(-1, 8192) as private:
    private[:2] = b"ab"
    print(private[:2])
shutil.copytree(root, "again", symlinks=True)
print(filecmp.dircmp(root, "again").diff_files, shutil.copy2("map", "map2"), shutil.move("map2", "again"), shutil.disk_usage(".").free > 0)
os.replace("copy", root / "a" / "copy")
print(sorted(entry.name for entry in os.scandir(root / "a")), sum(len(files) for _, _, files in os.walk("again")))
shutil.rmtree("again")
os.mkfifo("pipe")
keep = os.open("pipe", os.O_RDWR)
os.write(keep, b"through")
print(open("pipe", "rb", buffering=0).read(7), stat.S_ISFIFO(os.stat("pipe").st_mode))
with tempfile.NamedTemporaryFile("w+", suffix=".x", delete=False) as file, tempfile.SpooledTemporaryFile(10) as spooled:
    file.write("t")
    spooled.write(b"x" * 100)
print(os.path.dirname(file.name) == tempfile.gettempdir(), open(file.name).read(), tempfile.mkdtemp(dir=".") != "", len({tempfile.mktemp() for _ in range(9)}))
with fileinput.input([root / "a" / "one.txt"], inplace=True) as lines:
    for line in lines:
        print(line.upper(), end="")
print((root / "a/one.txt").read_text().split(), os.getcwd() == os.path.realpath("."))
os.chdir(root)
fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.rename("hard", "soft", src_dir_fd=fd, dst_dir_fd=fd)
print(sorted(os.listdir(fd)), os.path.exists("/proc/self/fd"), os.stat("soft", dir_fd=fd).st_size)
# limits: admin_code_characters_max=4000
# tiers: native gvisor
# expect: ending=exited:0  stdout="['a', 'b', 'one.txt', 'ünï 😀.txt'] ['a/one.txt', 'ünï 😀.txt']\na/one.txt True 2 True\n-rw-r----- 6.0 True\n4096 1048576\nb'hello' True\nb'Jello' None 8192\nb'ab'\n[] map2 again/map2 True\n['b', 'copy', 'one.txt'] 5\nb'through' True\nTrue t True 9\n['ONE', 'TWO'] True\n['a', 'link', 'soft', 'ünï 😀.txt'] True 8\n"  stderr=""
# expect on gvisor: ending=exited:1  stderr~"Function not implemented"
