# Turns a picture that came with the request grey, and hands it back.
from PIL import Image

with Image.open("photo.ppm") as picture:
    print(picture.format, picture.mode, picture.size)
    grey = picture.convert("L")
grey.save("grey.png")
grey.save("grey.pgm")
print(list(grey.tobytes()))
# role: public
# needs: PIL
# attach photo.ppm: "P3\n3 2\n255\n255 0 0  0 255 0  0 0 255\n255 255 255  0 0 0  10 20 30\n"
# return: grey.png
# file grey.png: ~"^\\W?PNG\\r\\n"
# return: grey.pgm
# file grey.pgm: ~"^P5\\n3 2\\n255\\n"
# expect: ending=exited:0  stdout="PPM RGB (3, 2)\n[76, 150, 29, 255, 0, 18]\n"  stderr=""
