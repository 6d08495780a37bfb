# Makes a document with reportlab: flowing text, tables, a list, charts, a barcode; returns the PDF.
from reportlab.graphics.barcode.qr import QrCode
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.charts.linecharts import HorizontalLineChart
from reportlab.graphics.charts.piecharts import Pie
from reportlab.graphics.shapes import Drawing
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import ListFlowable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

pdfmetrics.registerFont(UnicodeCIDFont("HeiseiMin-W3"))
styles = getSampleStyleSheet()
style = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.lightblue), ("SPAN", (0, -1), (1, -1))])
table = Table([["Item", "Price"]] + [[n, n * 1.5] for n in range(90)] + [["end", ""]], repeatRows=1, style=style)
drawing = Drawing(400, 200)
for kind, x, data in ((VerticalBarChart, 10, [(1, 3, 2)]), (HorizontalLineChart, 150, [(1, 3, 2)]), (Pie, 290, [1, 3, 2])):
    chart = kind()
    chart.x, chart.width, chart.height, chart.data = x, 100, 100, data
    drawing.add(chart)
code = QrCode("hello")
text = Paragraph("<b>Bold</b> and <font color='red'>red</font> é " * 60, styles["BodyText"])
pages = []
SimpleDocTemplate("out.pdf", pagesize=A4, title="Report").build(
    [Paragraph("Report", styles["Title"]), text, Spacer(1, cm), ListFlowable([text]), table, PageBreak(), drawing, code],
    onLaterPages=lambda canvas, document: pages.append(canvas.getPageNumber()),
)
print(pages)
# role: public
# needs: reportlab
# return: out.pdf
# file out.pdf: ~"^%PDF-1[\\s\\S]*%%EOF\\s*$"
# expect: ending=exited:0  stdout="[2, 3, 4]\n"  stderr=""
