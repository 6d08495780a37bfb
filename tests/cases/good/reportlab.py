# Makes a PDF with reportlab, by hand and by flowing text.
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

canvas = Canvas("a.pdf")
canvas.drawString(100, 700, "Hello")
canvas.save()
SimpleDocTemplate("b.pdf").build([Paragraph("x", getSampleStyleSheet()["Title"]), Table([["a", "b"]])])
print(open("a.pdf", "rb").read(5), open("b.pdf", "rb").read(5))
# role: public
# needs: reportlab
# expect: ending=exited:0  stdout="b'%PDF-' b'%PDF-'\n"  stderr=""
