# Makes a PDF with fpdf.
from fpdf import FPDF

pdf = FPDF()
pdf.add_page()
pdf.set_font("Helvetica", size=12)
pdf.cell(0, 10, "Hello fpdf", new_x="LMARGIN", new_y="NEXT")
pdf.multi_cell(0, 8, "One\nTwo")
pdf.output("f.pdf")
print(open("f.pdf", "rb").read(5))
# role: public
# needs: fpdf
# expect: ending=exited:0  stdout="b'%PDF-'\n"  stderr=""
