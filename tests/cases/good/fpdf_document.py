# Makes a document with fpdf2: a table, a picture, links, shapes, an outline; returns the PDF.
from fpdf import FPDF, XPos, YPos
from fpdf.enums import TableBordersLayout
from fpdf.fonts import FontFace
from PIL import Image


class Report(FPDF):
    def header(self):
        self.set_font("Times", "B", 12)
        self.cell(0, 8, "A report", align="C", new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def footer(self):
        self.set_y(-15)
        self.cell(0, 10, f"{self.page_no()}/{{nb}}")


pdf = Report()
pdf.set_title("Report")
pdf.add_page()
pdf.start_section("One")
pdf.set_font("Helvetica", size=11)
with pdf.table(col_widths=(1, 3), headings_style=FontFace(fill_color=(200, 220, 255)), borders_layout=TableBordersLayout.MINIMAL) as table:
    for row in [("No", "Name")] + [(str(n), f"name {n}") for n in range(40)]:
        table.row(row)
Image.effect_noise((50, 50), 40).convert("RGB").save("noise.jpg")
pdf.image("noise.jpg", w=40)
pdf.image(Image.new("RGBA", (20, 20), (255, 0, 0, 128)), w=10)
pdf.multi_cell(0, 6, "Some **bold** and __underlined__ text, é ü ß. " * 10, markdown=True)
pdf.write_html("<h2>Head</h2><ul><li>a</li><li>b</li></ul><p align='right'>right</p>")
with pdf.rotation(10):
    pdf.rect(20, 200, 30, 10, style="DF")
pdf.add_page()
pdf.start_section("Two", level=1)
pdf.set_draw_color(255, 0, 0)
pdf.line(10, 30, 100, 30)
pdf.cell(0, 10, "to the first page", link=pdf.add_link(page=1))
pdf.output("out.pdf")
print(pdf.pages_count, len(open("out.pdf", "rb").read()) > 3000)
# role: public
# needs: fpdf
# return: out.pdf
# file out.pdf: ~"^%PDF-1[\\s\\S]*%%EOF\\s*$"
# expect: ending=exited:0  stdout="3 True\n"  stderr=""
