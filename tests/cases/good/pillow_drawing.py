# Draws shapes and text, filters and transforms, with Pillow.
from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps, ImageStat

image = Image.new("RGBA", (120, 90), "white")
draw = ImageDraw.Draw(image)
draw.rectangle((5, 5, 40, 40), fill="#ff0000", outline=ImageColor.getrgb("hsl(120,100%,25%)"), width=2)
draw.ellipse((50, 5, 90, 45), fill=(0, 0, 255, 128))
draw.arc((70, 50, 110, 85), 0, 270, fill="black")
draw.rounded_rectangle((95, 5, 115, 25), 5, fill="teal")
print(image.getpixel((20, 20)), image.getpixel((70, 20)))
for font in (ImageFont.load_default(), ImageFont.load_default(24)):
    draw.text((2, 60), "Hi é\nyou", font=font, fill="black")
    box = draw.multiline_textbbox((0, 0), "Hi\nyou", font=font)
    print(box[2] > 5, font.getlength("wide") > font.getlength("w"))
grey = ImageOps.grayscale(image.convert("RGB"))
print(len({f.__name__: grey.filter(f) for f in (ImageFilter.BLUR, ImageFilter.CONTOUR, ImageFilter.SHARPEN, ImageFilter.FIND_EDGES)}), grey.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.UnsharpMask()).filter(ImageFilter.Kernel((3, 3), [1] * 9)).size)
print(image.rotate(30, expand=True, resample=Image.Resampling.BICUBIC).size, image.crop((0, 0, 9, 9)).size, ImageOps.fit(image, (20, 20)).size, image.transform((10, 10), Image.Transform.AFFINE, (1, 0, 0, 0, 1, 0)).size, image.quantize(4).mode)
print(ImageStat.Stat(ImageEnhance.Brightness(grey).enhance(0)).mean, ImageChops.difference(grey, grey).getbbox(), ImageOps.invert(Image.new("L", (1, 1), 5)).getpixel((0, 0)), len(grey.histogram()))
image.thumbnail((30, 30))
print(image.size, image.convert("CMYK").mode, Image.effect_mandelbrot((9, 9), (-2, -1, 1, 1), 20).size)
# role: public
# needs: PIL
# expect: ending=exited:0  stdout="(255, 0, 0, 255) (0, 0, 255, 128)\nTrue True\nTrue True\n4 (120, 90)\n(150, 138) (9, 9) (20, 20) (10, 10) P\n[0.0] None 250 256\n(30, 23) CMYK (9, 9)\n"  stderr=""
