# Packs and unpacks: zip, tar, gzip, bz2, lzma, zlib, in files and streams.
import bz2, gzip, io, lzma, os, shutil, tarfile, zipfile, zlib

data = b"some text that repeats, " * 5000
for name, module in (("gzip", gzip), ("bz2", bz2), ("lzma", lzma)):
    with module.open("a." + name, "wb") as file:
        file.write(data)
    with module.open("a." + name) as file:
        print(name, file.read() == data, os.path.getsize("a." + name) < 2000)
packer = zlib.compressobj(9, wbits=-15)
print(zlib.decompress(packer.compress(data) + packer.flush(), -15) == data, hex(zlib.crc32(b"abc")), zlib.adler32(b"abc"))

os.makedirs("tree/deep")
for name in ("tree/one.txt", "tree/deep/zwei ü.txt"):
    with open(name, "w") as file:
        file.write(name)
with zipfile.ZipFile("t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    archive.write("tree/one.txt")
    archive.writestr("tree/é", b"x" * 100_000)
with zipfile.ZipFile("t.zip") as archive:
    print(archive.testzip(), sorted(archive.namelist()), archive.getinfo("tree/é").compress_size < 1000)
    archive.extractall("unzipped")
for mode in ("", "gz", "bz2", "xz"):
    with tarfile.open("t.tar", f"w:{mode}") as archive:
        archive.add("tree")
    with tarfile.open("t.tar") as archive:
        archive.extractall("untarred" + mode, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    print(mode, sorted(os.listdir(f"untarred{mode}/tree")), open(f"untarred{mode}/tree/deep/zwei ü.txt").read())
stream = io.BytesIO()
with tarfile.open(fileobj=stream, mode="w|gz") as archive:
    archive.add("tree/one.txt")
print(shutil.make_archive("made", "zip", "tree") is not None, len(stream.getvalue()) > 100)
shutil.unpack_archive("made.zip", "unmade")
print(sorted(os.listdir("unmade")), os.stat("untarred/tree/one.txt").st_size)
# limits: admin_code_characters_max=4000
# return: made.zip
# file made.zip: ~"^PK"
# expect: ending=exited:0  stdout="gzip True True\nbz2 True True\nlzma True True\nTrue 0x352441c2 38600999\nNone ['tree/one.txt', 'tree/é'] True\n ['deep', 'one.txt'] tree/deep/zwei ü.txt\ngz ['deep', 'one.txt'] tree/deep/zwei ü.txt\nbz2 ['deep', 'one.txt'] tree/deep/zwei ü.txt\nxz ['deep', 'one.txt'] tree/deep/zwei ü.txt\nTrue True\n['deep', 'one.txt'] 12\n"  stderr=""
