# Makes, filters and saves pictures in many formats.
from PIL import Image, ImageDraw, ImageFilter, ImageFont

picture = Image.new("RGB", (64, 48), "red").filter(ImageFilter.GaussianBlur(1))
ImageDraw.Draw(picture).text((1, 1), "hi", font=ImageFont.load_default())
for end in ("png", "jpg", "webp", "gif", "bmp", "pdf"):
    picture.save("x." + end)
print([Image.open("x." + end).size for end in ("png", "jpg", "webp", "gif", "bmp")])
# role: public
# needs: PIL
# return: x.png
# file x.png: ~"PNG"
# expect: ending=exited:0  stdout="[(64, 48), (64, 48), (64, 48), (64, 48), (64, 48)]\n"  stderr=""
