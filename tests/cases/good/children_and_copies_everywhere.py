# Talks with children, works in threads, copies folders and uses temporary files, as it goes in every tier.
import concurrent.futures, multiprocessing, os, pathlib, shutil, subprocess, sys, tempfile, time, zipfile


def square(pipe):
    pipe.send([number * number for number in pipe.recv()])


if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=square, args=(theirs,))
    child.start()
    ours.send([1, 2, 3])
    print(ours.recv(), child.join(), child.exitcode)
    print(subprocess.run([sys.executable, "-c", "print(input().upper())"], input="piped", capture_output=True, text=True).stdout.strip())
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    sleeper.kill()
    print(sleeper.wait())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(lambda number: number * number, range(100))))
    os.makedirs("a/b")
    pathlib.Path("a/b/file").write_text("text")
    shutil.copytree("a", "copy")
    shutil.copy2("a/b/file", "beside")
    with zipfile.ZipFile("all.zip", "w") as archive:
        archive.write("beside")
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as unnamed:
        zipfile.ZipFile("all.zip").extractall(folder)
        shutil.move(folder + "/beside", "moved")
        unnamed.write(b"x" * 1000)
        print(pathlib.Path("copy/b/file").read_text(), pathlib.Path("moved").read_text(), unnamed.tell())
    shutil.rmtree("copy")
    print(sorted(os.listdir(".")), time.tzname[0])
# expect: ending=exited:0  stdout="[1, 4, 9] None 0\nPIPED\n-9\n328350\ntext text 1000\n['a', 'all.zip', 'beside', 'moved', 'your_script.py'] UTC\n"  stderr=""
