# Writes a picture in every format that the build has, and reads it again.
from PIL import Image, ImageSequence, features

picture = Image.linear_gradient("L").resize((40, 30)).convert("RGB")
needs = {"JPEG2000": "jpg_2000", "WEBP": "webp", "AVIF": "avif", "TIFF lzw": "libtiff"}
wrong = []
for name in "PNG JPEG GIF WEBP TIFF BMP ICO PPM TGA PCX JPEG2000 AVIF DDS SGI IM EPS ICNS".split() + ["TIFF lzw"]:
    if name in needs and not features.check(needs[name]):
        continue
    kind, _, packed = name.partition(" ")
    picture.save("one", kind, **({"compression": "tiff_lzw"} if packed else {}))
    if kind == "EPS":
        continue  # Reading it needs a program of the host.
    back = Image.open("one")
    back.load()
    same = back.size == (40, 30) or kind in ("ICO", "ICNS")
    near = abs(back.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)) - 127) < 12
    if back.format != kind or not same or not (near or kind == "GIF"):
        wrong.append((name, back.format, back.size))
print("wrong:", wrong)

frames = [Image.new("RGB", (8, 8), color) for color in ("red", "lime", "blue")]
frames[0].save("a.gif", save_all=True, append_images=frames[1:], duration=50, loop=0)
with Image.open("a.gif") as moving:
    print(moving.n_frames, moving.info["duration"], sum(1 for _ in ImageSequence.Iterator(moving)))
picture.save("p.tiff", save_all=True, append_images=[picture])
print(Image.open("p.tiff").n_frames)
exif = Image.Exif()
exif[0x010E] = "a title"
picture.save("e.jpg", exif=exif, quality=90, progressive=True, dpi=(72, 72))
print(Image.open("e.jpg").getexif()[0x010E], Image.open("e.jpg").info["dpi"])
# role: public
# needs: PIL
# return: a.gif
# file a.gif: ~"^GIF89a"
# expect: ending=exited:0  stdout="wrong: []\n3 50 3\n2\na title (72, 72)\n"  stderr=""
