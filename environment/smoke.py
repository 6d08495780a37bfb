"""Uses each package once: a program that must run in every environment."""

import io

import fpdf
import numpy
from PIL import Image
from reportlab.pdfgen import canvas

gray = Image.fromarray(numpy.full((2, 2), 7, dtype=numpy.uint8))
assert gray.getpixel((1, 1)) == 7

page = io.BytesIO()
drawing = canvas.Canvas(page)
drawing.drawString(72, 72, "reportlab")
drawing.save()
assert page.getvalue().startswith(b"%PDF")

document = fpdf.FPDF()
document.add_page()
document.set_font("Helvetica", size=12)
document.cell(text="fpdf")
assert bytes(document.output()).startswith(b"%PDF")

print("numpy, Pillow, reportlab and fpdf work")
